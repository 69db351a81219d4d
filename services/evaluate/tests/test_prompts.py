"""Prompts as tokens: what they share, and what ends an answer."""

from types import SimpleNamespace

import evaluate_rows
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline_evaluate.dataset import read_eval_rows
from graftline_evaluate.prompts import common_length, make_prompts, stop_tokens

TOKENS = st.lists(st.integers(0, 2), min_size=1, max_size=8)


@given(TOKENS, st.lists(TOKENS, min_size=1, max_size=6))
def test_the_common_prefix(prefix, rests):
    prompts = [prefix + rest for rest in rests]
    shared = common_length(prompts)
    assert len({tuple(prompt[:shared]) for prompt in prompts}) == 1
    assert shared < min(map(len, prompts))
    longer = {tuple(prompt[: shared + 1]) for prompt in prompts}
    assert len(longer) > 1 or shared + 1 == min(map(len, prompts))


def test_prompts_are_the_templates_text(tmp_path, tiny):
    rows = evaluate_rows.make_rows(4)
    found = read_eval_rows(evaluate_rows.write_examples(tmp_path, rows), ["eval"], None)
    chat = tiny.make_chat()
    tokenizer = chat.tokenizer
    prompts = make_prompts(chat, found, None, 500)
    for index, row in enumerate(found):
        tokens = [*prompts.prefix, *prompts.rests[index]]
        assert len(tokens) == prompts.length(index)
        assert tokenizer.decode(tokens) == (
            f"<|im_start|>system\nGive JSON.<|im_end|>\n<|im_start|>user\n"
            f"{row.messages[1]['content']}<|im_end|>\n<|im_start|>assistant\n"
        )
    assert tokenizer.decode(prompts.prefix).endswith("user\neval: ")


@pytest.mark.parametrize(
    ("generation", "config", "expected"),
    [(None, None, {2}), ([0, 1], 2, {0, 1, 2}), (0, None, {0, 2})],
)
def test_stop_tokens_come_from_everywhere(tiny, generation, config, expected):
    chat = tiny.make_chat()
    model = SimpleNamespace(
        config=SimpleNamespace(eos_token_id=config),
        generation_config=SimpleNamespace(eos_token_id=generation),
    )
    assert stop_tokens(chat, model) == expected


def test_the_templates_own_end_is_a_stop_token(tiny):
    chat = tiny.make_chat()
    chat.tokenizer.eos_token = "<pad>"
    nothing = SimpleNamespace(eos_token_id=None)
    model = SimpleNamespace(config=nothing, generation_config=nothing)
    assert stop_tokens(chat, model) == {0, 2}
