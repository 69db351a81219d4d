"""Where the answer begins behind its prompt, on templates that keep their history and others."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jinja2.sandbox import ImmutableSandboxedEnvironment

from graftline.domain.rendering import answer_behind

# As Mistral-7B-Instruct-v0.3: the system message stands in the last user message, and only if that
# is the last message of all.
MOVING = (
    "{%- set system = messages[0]['content'] if messages[0]['role'] == 'system' else '' -%}"
    "{%- for m in messages if m['role'] != 'system' -%}"
    "{%- if m['role'] == 'user' -%}"
    "{{- '[INST] ' + (system + '\\n\\n' if loop.last and system else '') + m['content'] -}}"
    "{{- '[/INST]' -}}"
    "{%- else -%}{{- between + m['content'] + '</s>' -}}{%- endif -%}"
    "{%- endfor -%}"
)
ENVIRONMENT = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
TEMPLATE = ENVIRONMENT.from_string(MOVING)


def split(system, question, answer, between=" "):
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": question})
    whole = [*messages, {"role": "assistant", "content": answer}]
    prompt = TEMPLATE.render(messages=messages, between=between)
    return answer_behind(prompt, TEMPLATE.render(messages=whole, between=between), whole)


@pytest.mark.parametrize("system", ["", "Be brief."])
def test_the_answer_stands_behind_its_prompt(system):
    assert split(system, "why?", "Because.") == " Because.</s>"


texts = st.text(st.sampled_from("ab? \n[/INST]"), min_size=1, max_size=12)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(["", "Be brief."]), texts, texts)
def test_nothing_of_an_answer_is_lost(system, question, answer):
    """Law: with or without a system message that moves, it is what the template writes of it."""
    assume(question.strip() and answer.strip())
    assert split(system, question, answer) == f" {answer}</s>"


def test_as_much_may_stand_between_as_templates_write_and_no_more():
    assert split("Be brief.", "why?", "Because.", "x" * 64) == "x" * 64 + "Because.</s>"
    assert split("Be brief.", "why?", "Because.", "x" * 65) is None


@pytest.mark.parametrize(
    ("prompt", "whole"),
    [
        ("S why?A:", "why?A"),
        ("S why?A:", "why? A:Because."),
        ("S A:", "A:Because."),
        ("S why?A:", "Because.why?A:"),
    ],
    ids=["no answer", "another prompt", "no question", "answer first"],
)
def test_what_cannot_be_told_apart(prompt, whole):
    messages = [{"role": "user", "content": "why?"}, {"role": "assistant", "content": "Because."}]
    assert answer_behind(prompt, whole, messages) is None
    assert answer_behind(prompt, whole, messages[1:]) is None
