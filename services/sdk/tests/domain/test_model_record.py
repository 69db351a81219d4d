"""Who a model is, as its artifact says it."""

from __future__ import annotations

import json

import pytest

from graftline.domain.model_record import RECORD_FILE, read_model_record
from graftline.errors import DataError


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"name": "org/tiny", "revision": "abc"}, "org/tiny@abc"),
        ({"name": "org/tiny", "revision": ""}, "org/tiny"),
        ({"name": "org/tiny", "revision": None}, "org/tiny"),
        ({"name": "org/tiny", "uri": "hf://org/tiny"}, "org/tiny"),
        ({"name": "", "revision": "abc"}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_labels(tmp_path, record, expected):
    folder = tmp_path / "model"
    folder.mkdir()
    if record is not None:
        (folder / RECORD_FILE).write_text(json.dumps(record))
    assert read_model_record(folder).label == expected


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[]", "is not a JSON object"),
        (b'"org/tiny"', "is not a JSON object"),
        (b"null", "is not a JSON object"),
        (b"{", "is not JSON"),
        (b"", "is not JSON"),
        (b'{"name": "\xff"}', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"name": 5}', "must be texts"),
        (b'{"name": "a", "revision": ["b"]}', "must be texts"),
    ],
)
def test_records_that_cannot_be_meant(tmp_path, content, problem):
    (tmp_path / RECORD_FILE).write_bytes(content)
    with pytest.raises(DataError, match=rf"graftline-model\.json.* {problem}"):
        read_model_record(tmp_path)
