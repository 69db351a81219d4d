"""JSON files: arrays in pieces, one object whole, JSON Lines in disguise."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.errors import DataError
from graftline_ingest.reading.documents import read_document

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


def read(data: bytes, size: int = 7, row: int = 1 << 20, document: int = 1 << 20) -> list:
    blocks = (data[at : at + size] for at in range(0, len(data), size))
    found = read_document(blocks, "a.json", max_row_bytes=row, max_document_bytes=document)
    return [value for _, value in found]


@given(items=st.lists(JSON_VALUES, max_size=8), indent=st.sampled_from([None, 2]))
def test_an_array_is_read_as_json_reads_it(items, indent):
    assert read(json.dumps(items, indent=indent, ensure_ascii=False).encode()) == items


def test_an_array_larger_than_the_window_is_read():
    items = [{"n": i, "text": "é" * (i % 3000)} for i in range(400)]
    assert read(json.dumps(items, ensure_ascii=False).encode(), size=1 << 16) == items


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[{"a": 1},\n {"b" 2}]', "line 2, column 7"),
        ("[1, 2\n", "ends inside"),
        ("[1, 2] 3", "line 1, column 8"),
        ("[1,\n\n NaN]", "NaN"),
        ("[1 2]", "line 1, column 4"),
        ('[{"a": "b]', "line 1, column 8"),
        ("{", "line 1"),
        ("", "is empty"),
        ("  \n ", "is empty"),
        ("nonsense", "line 1, column 1"),
    ],
)
def test_a_mistake_is_told_with_its_place(text, place):
    with pytest.raises(DataError, match=place):
        read(text.encode())


def test_a_mistake_early_in_a_large_array_is_told_at_once_and_exactly():
    items = ",\n".join('{"a": "text"}' for _ in range(30_000))
    with pytest.raises(DataError, match=r"line 12, column 6"):
        read(f'[{items[:150]}\n{{"a" 1}},\n{items}]'.encode(), size=1 << 16)


def test_too_large_items_and_documents_are_refused():
    with pytest.raises(DataError, match="max_row_mb"):
        read(b'["' + b"x" * 300_000 + b'"]' + b" " * 10, size=1 << 14, row=1 << 16)
    with pytest.raises(DataError, match="max_document_mb"):
        read(b'{"a": "' + b"x" * 300_000 + b'"}', document=1 << 16)


def test_json_lines_under_the_name_json_are_read():
    assert read(b'{"a": 1}\n{"a": 2}\n', size=100) == [{"a": 1}, {"a": 2}]


def test_one_object_is_one_record():
    assert read(b'{\n "a": [1]\n}') == [{"a": [1]}]
