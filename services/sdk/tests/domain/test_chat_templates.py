"""The families' templates say what the published ones say."""

from __future__ import annotations

import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftline.domain.chat_templates import FAMILIES, with_begin
from graftline.domain.template import ChatTemplate, TemplateRefusal

CONVERSATION = [
    ("system", "Be brief."), ("user", "One?"), ("assistant", "1."), ("user", "Two?\nThree?"),
]  # fmt: skip
# By the families' documentation: with a system prompt, after an answer, ready for another one.
EXPECTED = {
    "alpaca": "<s>Be brief.\n\n### Instruction:\nOne?\n\n### Response:\n1.</s>\n\n"
    "### Instruction:\nTwo?\nThree?\n\n### Response:\n",
    "chatml": "<s><|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nOne?<|im_end|>\n"
    "<|im_start|>assistant\n1.<|im_end|>\n<|im_start|>user\nTwo?\nThree?<|im_end|>\n"
    "<|im_start|>assistant\n",
    "llama": "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nOne?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n1.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nTwo?\nThree?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "gemma": "<s><start_of_turn>user\nBe brief.\n\nOne?<end_of_turn>\n<start_of_turn>model\n1."
    "<end_of_turn>\n<start_of_turn>user\nTwo?\nThree?<end_of_turn>\n<start_of_turn>model\n",
    "mistral": "<s>[INST] Be brief.\n\nOne?[/INST] 1.</s>[INST] Two?\nThree?[/INST]",
}
EXPECTED["qwen"] = EXPECTED["chatml"]
WITHOUT_SYSTEM = {
    "alpaca": "Below is an instruction that describes a task. Write a response that appropriately "
    "completes the request.\n\n### Instruction:\nOne?\n\n### Response:\n",
    "qwen": "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful "
    "assistant.<|im_end|>\n<|im_start|>user\nOne?<|im_end|>\n<|im_start|>assistant\n",
    "mistral": "[INST] One?[/INST]",
}


@cache
def compiled(template):
    return ChatTemplate({"default": template}, {"bos_token": "<s>", "eos_token": "</s>"})


def render(name, turns, *, begins=False, generation_prompt=True):
    return compiled(with_begin(FAMILIES[name], begins=begins)).render(
        [{"role": role, "content": content} for role, content in turns],
        generation_prompt=generation_prompt,
    )


def test_all_six_families_are_there():
    assert FAMILIES.keys() == EXPECTED.keys()
    assert all(family.name == name for name, family in FAMILIES.items())


@pytest.mark.parametrize("name", EXPECTED)
def test_the_documented_layout(name):
    assert render(name, CONVERSATION, begins=True) == EXPECTED[name]


@pytest.mark.parametrize("name", WITHOUT_SYSTEM)
def test_without_a_system_prompt(name):
    assert render(name, [("user", "One?")]) == WITHOUT_SYSTEM[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_marks_are_those_of_the_template(name):
    family = FAMILIES[name]
    named = set(re.findall(r"<[|\w]+>", family.template))
    ends = {"eos_token"} if "eos_token" in family.template else set()
    assert set(family.marks) == named | ends


words = st.text(st.characters(codec="utf-8"), min_size=1)


@pytest.mark.parametrize("name", EXPECTED)
@settings(max_examples=40, deadline=None)
@given(st.lists(words, min_size=2, max_size=6), st.none() | words)
def test_a_conversation_grows_at_its_end_only(name, contents, system):
    """Law: the prompt of an answer is the beginning of every longer conversation."""
    roles = ["user", "assistant"] * 3
    turns = [("system", system)] if system else []
    turns += list(zip(roles, contents, strict=False))
    whole = render(name, turns, generation_prompt=False)
    for at, (role, content) in enumerate(turns):
        if role == "assistant":
            prompt = render(name, turns[:at])
            assert whole.startswith(prompt)
            assert whole[len(prompt) :].lstrip(" ").startswith(content.lstrip(" "))


@pytest.mark.parametrize("name", ["alpaca", "gemma", "mistral"])
def test_roles_that_do_not_alternate_are_refused(name):
    with pytest.raises(TemplateRefusal, match="user and assistant must alternate"):
        render(name, [("user", "a"), ("user", "b")])
    with pytest.raises(TemplateRefusal, match="user and assistant must alternate"):
        render(name, [("user", "a"), ("system", "b")])
