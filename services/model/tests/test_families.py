"""A base model is given the chat template of a family."""

import json
import shutil

import pytest
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from graftline.domain.chat_templates import FAMILIES
from graftline.errors import ConfigError
from graftline.testkit.local import run_stage
from graftline_model.descriptor import STAGE


@pytest.fixture
def base(folder):
    """The tiny Llama as a base model: with every family's tokens, without a chat template."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    marks = {mark for family in FAMILIES.values() for mark in family.marks} - {"eos_token"}
    tokenizer.add_special_tokens(["<s>", *sorted(marks)])
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "bos_token": "<s>"}))
    return folder


def run_model(folder, work, **config):
    run = run_stage(STAGE, work, sources={"uri": folder}, config={"name": "org/base", **config})
    return run.outputs["model"]


ENDS = {
    "alpaca": "<|endoftext|>",
    "chatml": "<|im_end|>",
    "llama": "<|eot_id|>",
    "gemma": "<end_of_turn>",
    "qwen": "<|im_end|>",
    "mistral": "<|endoftext|>",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_carries_the_familys_template_and_ends_as_it_says(base, tmp_path, family):
    from transformers import AutoTokenizer, GenerationConfig

    (base / "generation_config.json").write_text('{"eos_token_id": 0, "temperature": 0.5}')
    out = run_model(base, tmp_path / "run", chat_template=family)
    tokenizer = AutoTokenizer.from_pretrained(str(out))
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    assert text.startswith("<s>")
    assert not text.startswith("<s><s>")
    assert text.rpartition("Ho")[2].startswith(ENDS[family])
    written = GenerationConfig.from_pretrained(str(out))
    ends = written.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    assert set(tokenizer.convert_ids_to_tokens(ends)) == {"<|endoftext|>", ENDS[family]}
    assert written.temperature == 0.5


def test_no_begin_token_where_the_tokenizer_adds_none(folder, tmp_path):
    """SmolLM2 names <|im_start|> as its begin token and never adds it."""
    out = run_model(folder, tmp_path / "run", chat_template="chatml")
    assert "bos_token" not in (out / "chat_template.jinja").read_text()


def test_the_models_own_template_and_ends_stay(folder, tmp_path, tiny):
    out = run_model(folder, tmp_path / "run")
    assert (out / "chat_template.jinja").read_text() == tiny.template
    assert not (out / "generation_config.json").exists()


def test_a_jinja_texts_end_token_is_found_too(folder, tmp_path):
    text = (
        "{% for m in messages %}{{ m.content }}<|im_start|>\n{% endfor %}"
        "{% if add_generation_prompt %}>{% endif %}"
    )
    out = run_model(folder, tmp_path / "run", chat_template=text)
    assert (out / "chat_template.jinja").read_text() == text
    assert json.loads((out / "generation_config.json").read_text()) == {"eos_token_id": [1, 2]}


def test_a_family_whose_tokens_are_missing_is_refused_with_those_that_fit(folder, tmp_path):
    with pytest.raises(
        ConfigError,
        match=r"'gemma' needs <start_of_turn>, <end_of_turn>, which the tokenizer of org/base "
        r".*families that fit it: alpaca, chatml, qwen, mistral",
    ):
        run_model(folder, tmp_path / "run", chat_template="gemma")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["eos_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match="'mistral' needs eos_token"):
        run_model(folder, tmp_path / "none", chat_template="mistral")


def test_same_template_same_bytes(base, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(base, copy)
    one, other = (
        {
            path.name: path.read_bytes()
            for path in run_model(folder, work, chat_template="llama").iterdir()
        }
        for folder, work in ((base, tmp_path / "a"), (copy, tmp_path / "b"))
    )
    assert one == other
