from __future__ import annotations

import json

import pytest

from graftline.errors import ConfigError
from graftline_format.chat_model import load_chat_model


@pytest.fixture
def folder(tmp_path, make_model):
    return make_model(tmp_path, "chatml")


def set_template(folder, value):
    (folder / "chat_template.jinja").unlink()
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "chat_template": value}))


def render(template):
    return template.render([{"role": "user", "content": "hi"}])


def test_names_and_context_come_from_the_folder(folder):
    model = load_chat_model(folder, "2024-07-26")
    assert model.name == "tests/chatml@r1"
    assert model.context_length == 4096
    assert {model.tokenizer.id_to_token(n) for n in model.special_ids} == {
        "<|im_start|>", "<|im_end|>",
    }  # fmt: skip


def test_older_layouts_of_templates_are_read(folder):
    set_template(folder, "plain {{ eos_token }}")
    assert render(load_chat_model(folder, "2024-07-26").template) == "plain <|im_end|>"
    (folder / "chat_template.jinja").write_text("file")
    set_template(
        folder,
        [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}],
    )
    model = load_chat_model(folder, "2024-07-26")
    assert (render(model.template), render(model.tool_template)) == ("d", "t")


def test_a_special_token_may_be_an_object(folder):
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({"eos_token": {"content": "</s>", "lstrip": False}}))
    (folder / "chat_template.jinja").write_text("{{ eos_token }}")
    assert render(load_chat_model(folder, "2024-07-26").template) == "</s>"


def test_no_chat_template_is_a_clear_error(folder):
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ConfigError, match=r"tests/chatml@r1 has no chat template .*instruction"):
        load_chat_model(folder, "2024-07-26")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer.json .*save_pretrained"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer.json cannot be read"),
        (lambda f: (f / "chat_template.jinja").write_text("a\n{% if %}"), "broken at line 2"),
        (lambda f: (f / "tokenizer_config.json").write_text("{"), "tokenizer_config.json is not"),
        (lambda f: set_template(f, [{"name": "rag", "template": ""}]), "templates rag but no def"),
    ],
)
def test_what_is_broken_is_named(folder, spoil, message):
    spoil(folder)
    with pytest.raises(ConfigError, match=message):
        load_chat_model(folder, "2024-07-26")


def test_an_impossible_date_is_an_error(folder):
    with pytest.raises(ConfigError, match="'2024-02-31' is not a date"):
        load_chat_model(folder, "2024-02-31")
