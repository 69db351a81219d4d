"""What counts of a text: the answer as the template writes it, and its end."""

import evaluate_rows
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.errors import DataError
from graftline_evaluate.dataset import EvalRow
from graftline_evaluate.few_shot import FewShotPrompt
from graftline_evaluate.prompts import make_prompts
from graftline_evaluate.targets import gold_targets, share_prefix

MISTRAL = (
    "{% set system = messages[0]['content'] if messages[0]['role'] == 'system' else '' %}"
    "{% for m in messages %}{% if m['role'] == 'user' %}[INST] "
    "{% if loop.last and system %}{{ system }}\n\n{% endif %}{{ m['content'] }}[/INST]"
    "{% elif m['role'] == 'assistant' %} {{ m['content'] }}<|im_end|>{% endif %}{% endfor %}"
)
THINKING = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' %}<think></think>{% endif %}{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WITHOUT_END = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] | trim }}\n{% endfor %}"
DROPPING = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ m['content'] }}{% endif %}{% endfor %}"
)
PREFILLING = "{{ messages[0]['content'] }}{{ '<think>' if add_generation_prompt else 'x' }}"


def make_row(question="why?", gold="Because.", system="Be brief."):
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": question})
    return EvalRow("r1", "eval", "g", tuple(messages), gold, None)


def make_targets(chat, rows, few_shot=None, longest=5000):
    prompts = make_prompts(chat, rows, few_shot, 5000, with_gold=True)
    return gold_targets(rows, prompts, longest)


def counted(chat, rows, few_shot=None):
    """The texts, and what of them counts."""
    targets = make_targets(chat, rows, few_shot)
    decode = chat.tokenizer.decode
    found = []
    for index, (rest, start) in enumerate(zip(targets.rests, targets.starts, strict=True)):
        assert 0 < start < len(rest)
        assert targets.count(index) == len(rest) - start
        found.append((decode([*targets.prefix, *rest]), decode(rest[start:])))
    return found


@pytest.mark.parametrize(
    ("template", "text", "answer"),
    [
        (
            None,
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nwhy?<|im_end|>\n"
            "<|im_start|>assistant\nBecause.<|im_end|>",
            "Because.<|im_end|>",
        ),
        (MISTRAL, "[INST] Be brief.\n\nwhy?[/INST] Because.<|im_end|>", " Because.<|im_end|>"),
        (
            THINKING,
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nwhy?<|im_end|>\n"
            "<|im_start|>assistant\n<think></think>Because.<|im_end|>",
            "<think></think>Because.<|im_end|>",
        ),
        (
            WITHOUT_END,
            "system: Be brief.\nuser: why?\nassistant: Because.\n",
            "assistant: Because.\n",
        ),
    ],
)
def test_the_answer_and_its_end_count(tiny, template, text, answer):
    chat = tiny.make_chat(template or tiny.CHATML)
    assert counted(chat, [make_row()]) == [(text, answer)]


@pytest.mark.parametrize("template", [DROPPING, PREFILLING])
def test_a_template_without_the_answer_is_refused(tiny, template):
    chat = tiny.make_chat(template)
    with pytest.raises(DataError, match=r"row r1 \(eval\): .* does not write the answer behind"):
        make_targets(chat, [make_row()])


def test_no_token_is_across_the_border(tiny):
    """`evaluate_tiny` has one token for the whole of ANSWER; here that begins in the prompt."""
    chat = tiny.make_chat(
        "{% for m in messages %}{% if m['role'] == 'user' %}{{ m['content'] }}"
        "{% elif m['role'] == 'assistant' %}{{ m['content'] }}<|im_end|>{% endif %}{% endfor %}"
    )
    row = make_row("say " + evaluate_rows.ANSWER[:5], evaluate_rows.ANSWER[5:])
    assert counted(chat, [row]) == [
        (f"say {evaluate_rows.ANSWER}<|im_end|>", f"{evaluate_rows.ANSWER[5:]}<|im_end|>")
    ]


def test_rows_share_their_beginning(tiny):
    chat = tiny.make_chat()
    decode = chat.tokenizer.decode
    rows = [make_row("why?", "Because."), make_row("why?", "Because it is."), make_row("who?", "I")]
    shown = FewShotPrompt("", (make_row("what?", "That."),))
    plain = make_targets(chat, rows)
    assert decode(plain.prefix).endswith("user\nwh")
    few_shot = make_targets(chat, rows, shown)
    assert "assistant\nThat.<|im_end|>" in decode(few_shot.prefix)
    assert [answer for _, answer in counted(chat, rows, shown)] == [
        answer for _, answer in counted(chat, rows)
    ]


def test_texts_beyond_the_context_are_refused(tiny):
    rows = [make_row(), make_row(gold="x" * 300)]
    told = r"1 prompts with their gold answers are longer than the 200 tokens .*r1 \(eval"
    with pytest.raises(DataError, match=told):
        make_targets(tiny.make_chat(), rows, None, 200)


TEXTS = st.lists(
    st.lists(st.integers(0, 2), min_size=2, max_size=9).flatmap(
        lambda tokens: st.tuples(st.just(tokens), st.integers(1, len(tokens) - 1))
    ),
    min_size=1,
    max_size=6,
)


@given(TEXTS)
def test_a_shared_prefix_loses_nothing(texts):
    targets = share_prefix(texts)
    for (tokens, first), rest, start in zip(texts, targets.rests, targets.starts, strict=True):
        assert [*targets.prefix, *rest] == tokens
        assert len(targets.prefix) + start == first
        assert start >= 1
