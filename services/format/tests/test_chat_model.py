from __future__ import annotations

import pytest

from graftline.errors import ConfigError
from graftline_format.chat_model import load_chat_model


@pytest.fixture
def folder(tmp_path, make_model):
    return make_model(tmp_path, "chatml")


def test_names_and_context_come_from_the_folder(folder):
    model = load_chat_model(folder)
    assert model.name == "tests/chatml@r1"
    assert model.context_length == 4096
    assert {model.tokenizer.id_to_token(n) for n in model.special_ids} == {
        "<|im_start|>", "<|im_end|>",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer.json .*save_pretrained"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer.json cannot be read"),
        (lambda f: (f / "config.json").write_text("{"), "config.json is not JSON"),
        (lambda f: (f / "chat_template.jinja").unlink(), "tests/chatml@r1 has no chat template"),
    ],
)
def test_what_is_broken_is_named(folder, spoil, message):
    spoil(folder)
    with pytest.raises(ConfigError, match=message):
        load_chat_model(folder)
