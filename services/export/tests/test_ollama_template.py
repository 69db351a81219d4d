"""Jinja chat templates become Go templates that say the same, or are refused."""

import json
from functools import cache, partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftline.domain.chat_templates import FAMILIES, with_begin
from graftline.domain.template import ChatTemplate
from graftline.errors import DataError
from graftline_export.go_template import render
from graftline_export.ollama_template import (
    check_template,
    derive,
    go_values,
    probe_conversations,
    stop_texts,
)

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHATML_DEFAULT = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
    + CHATML
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] "
    "+ '\n\n' %}{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages "
    "%}{% endif %}{% for m in rest %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else "
    "m['role'] }}\n{{ first if loop.first else '' }}{{ m['content'] }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
# The system prompt stands before the last user's text, and only there.
MISTRAL = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] "
    "%}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}"
    "{% for m in rest %}{% if m['role'] == 'user' %}[INST] {% if loop.last and system is defined %}"
    "{{ system + '\n\n' }}{% endif %}{{ m['content'] }}[/INST]{% else %}"
    " {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
ALPACA = (
    "{% for m in messages %}{% if m['role'] == 'user' %}### Instruction:\n{{ m['content'] }}\n\n"
    "{% elif m['role'] == 'assistant' %}### Response:\n{{ m['content'] }}\n\n"
    "{% else %}{{ raise_exception('no system') }}{% endif %}{% endfor %}### Response:\n"
)
SPECIAL = [
    "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]", "</s>", "<s>",
]  # fmt: skip


def jinja(template):
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    return partial(ChatTemplate({"default": template}, tokens).render, generation_prompt=True)


@pytest.mark.parametrize(
    ("template", "stops", "system"),
    [
        (CHATML, ["<|im_end|>", "<|im_start|>"], True),
        (CHATML_DEFAULT, ["<|im_end|>", "<|im_start|>"], True),
        (LLAMA3, ["<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"], True),
        (GEMMA, ["<end_of_turn>", "<start_of_turn>"], True),
        (MISTRAL, ["</s>", "[INST]"], True),
        (ALPACA, ["### Instruction:"], False),
    ],
    ids=["chatml", "chatml with a default", "llama3", "gemma", "mistral", "alpaca"],
)
def test_families(template, stops, system):
    render_chat = jinja(template)
    begins = "<s>" if "bos_token" in template else ""
    pieces = derive(render_chat, begins)
    assert (pieces.before_system is not None) == system
    for messages in probe_conversations(has_system=system):
        assert begins + render(pieces.go(), go_values(messages)) == render_chat(messages)
    assert stop_texts(pieces, SPECIAL) == stops


text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1).filter(
    lambda value: value == value.strip()
)


@settings(max_examples=60, deadline=None)
@given(st.lists(text, min_size=1, max_size=5), st.none() | text)
def test_any_content_is_said_as_it_is(contents, system):
    render_chat, pieces = jinja(CHATML_DEFAULT), derive(jinja(CHATML_DEFAULT))
    turns = contents if len(contents) % 2 else contents[:-1]
    roles = ["user", "assistant"] * 3
    messages = [{"role": role, "content": said} for role, said in zip(roles, turns, strict=False)]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    assert render(pieces.go(), go_values(messages)) == render_chat(messages)


@cache
def family_pieces(family):
    render_chat = jinja(with_begin(FAMILIES[family], begins=True))
    return render_chat, derive(render_chat, "<s>")


@pytest.mark.parametrize(
    ("family", "stops"),
    [
        ("alpaca", ["</s>"]),
        ("chatml", ["<|im_end|>", "<|im_start|>"]),
        ("llama", ["<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"]),
        ("gemma", ["<end_of_turn>", "<start_of_turn>"]),
        ("qwen", ["<|im_end|>", "<|im_start|>"]),
        ("mistral", ["</s>", "[INST]"]),
    ],
)
@settings(max_examples=30, deadline=None)
@given(st.lists(text, min_size=1, max_size=5), st.none() | text)
def test_templates_for_base_models_can_be_said(family, stops, contents, system):
    """Any contents, white space around them included, in Ollama as in training."""
    render_chat, pieces = family_pieces(family)
    assert stop_texts(pieces, SPECIAL) == stops
    turns = contents if len(contents) % 2 else contents[:-1]
    roles = ["user", "assistant"] * 3
    messages = [
        {"role": role, "content": f" {said}\n"} for role, said in zip(roles, turns, strict=False)
    ]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    assert "<s>" + render(pieces.go(), go_values(messages)) == render_chat(messages)


def test_an_unfinished_answer_is_left_open():
    pieces = derive(jinja(CHATML))
    messages = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "It is"}]
    assert render(pieces.go(), go_values(messages)).endswith("<|im_start|>assistant\nIt is")


def test_a_template_that_depends_on_the_content_is_refused():
    odd = CHATML.replace("{{ m['content'] }}", "{{ m['content'] | upper }}")
    with pytest.raises(DataError, match="cannot be turned into Ollama's"):
        derive(jinja(odd))
    counting = CHATML.replace("{{ m['content'] }}", "{{ loop.index }}{{ m['content'] }}")
    with pytest.raises(DataError, match=r"for the conversation .* it says"):
        derive(jinja(counting))


def test_braces_of_the_template_are_not_an_action():
    render_chat = jinja(CHATML.replace("<|im_end|>", "{{ '{{end}}' }}"))
    pieces = derive(render_chat)
    messages = probe_conversations(has_system=True)[4]
    assert render(pieces.go(), go_values(messages)) == render_chat(messages)


def test_a_users_own_template_is_compared():
    same = derive(jinja(CHATML)).go()
    assert check_template(same, jinja(CHATML)) == ""
    assert "it says" in check_template(same, jinja(LLAMA3))


def test_published_templates(ollama_templates):
    """Of the Hub's templates that Ollama knows, these many can be expressed; none wrongly."""
    index = json.loads((ollama_templates / "index.json").read_text())
    derived, refused = [], []
    for entry in index:
        render_chat = jinja(entry["template"])
        try:
            pieces = derive(render_chat)
        except DataError:
            refused.append(entry["name"])
            continue
        derived.append(entry["name"])
        for messages in probe_conversations(has_system=pieces.before_system is not None):
            assert render(pieces.go(), go_values(messages)) == render_chat(messages)
    assert {"chatml", "llama3-instruct", "phi-3", "zephyr", "mistral-instruct"} <= set(derived)
    assert len(derived) >= 25, refused
