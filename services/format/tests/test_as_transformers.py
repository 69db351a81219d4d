"""Conversations as texts: the same that transformers writes on the day that templates are told."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftline.domain.jinja import TEMPLATE_DATE
from graftline.domain.template import TemplateRefusal, read_chat_template

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How is it in <Łódź> & 'here'? 🙂"},
    {"role": "assistant", "content": "Wet."},
    {"role": "user", "content": " And\n\nnow? "},
]
CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": {"at": "Łódź"}}}
CALLS = [
    *TURNS[:2],
    {"role": "assistant", "tool_calls": [CALL]},
    {"role": "tool", "content": "rain", "tool_call_id": "1"},
]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"é": "<a>"}}}]
DATED = "{{ strftime_now('%d %B %Y, %Y-%m-%d, %A, %H:%M') }}"
TEMPLATES = {
    "strftime_now alone": DATED + "{% for m in messages %}{{ m.content }}{% endfor %}",
    "date_string": "{% if not date_string is defined %}{% set date_string = strftime_now('%d.%m.') "
    "%}{% endif %}{{ date_string }}",
    "json": "{{ messages | tojson }}\n{{ tools | tojson(indent=2) }}\n"
    "{{ messages | tojson(sort_keys=true, separators=(',', ':'), ensure_ascii=true) }}",
    "loop controls": "{% for m in messages %}{% if loop.index == 3 %}{% break %}{% endif %}"
    "{% if m.role == 'system' %}{% continue %}{% endif %}{{ m.content }}{% endfor %}",
    "blocks": "  {% for m in messages %}\n  {% if m.role == 'user' %}\n  {{ m.content }}\n"
    "  {%- endif %}\n  {% endfor %}\n",
    "generation": "{% for m in messages %}{% generation %}{% set x = m.role %}{{ x }}\n"
    "{% endgeneration %}{{ x }}{% endfor %}",
    "namespace": "{% set ns = namespace(self='s', found=dict(a=1)) %}{% for m in messages %}"
    "{% set ns.found = dict.fromkeys([m.role, ns.found | length], ns.self) %}{% endfor %}"
    "{{ ns.found }}",
    "special tokens": "{{ bos_token }}|{{ eos_token }}|{{ unk_token }}|{{ pad_token }}",
    "calls": "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}{% for m in messages %}"
    "{% for c in m.tool_calls or [] %}{{ c.function.arguments.at }}"
    "{{ c.function.arguments | tojson }}{% endfor %}{{ m.content }}{% endfor %}",
    "nothing": "{{ documents is none }}{{ tools is none }}{{ nothing }}",
}
REFUSING = {
    "raise_exception": "{{ raise_exception('No  system\nrole') }}",
    "undefined": "{{ nothing.at_all }}",
    "arithmetic": "{{ 1 / 0 }}",
    "range": "{% for n in range(999999999) %}{% endfor %}",
    "attribute": "{{ namespace(__class__=1) }}",
    "set attribute": "{% set ns = namespace() %}{% set ns.__call__ = 1 %}",
    "change": "{{ messages[0].update(role='user') }}",
    "method": "{{ dict.update(messages[0], role='user') }}",
}
EVERY_MODEL = [
    "chatml", "chatml-generation", "llama3", "mistral", "gemma", "thinking", "plain",
    "family-alpaca", "family-chatml", "family-llama", "family-gemma", "family-qwen",
    "family-mistral",
]  # fmt: skip


@pytest.fixture(autouse=True)
def template_date(transformers_today):
    transformers_today(TEMPLATE_DATE)


@pytest.fixture
def folder(tmp_path, make_model):
    return make_model(tmp_path, "chatml")


def theirs(folder, messages, tools=None, **options):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, **options)


def check_same(folder, messages, tools=None):
    template = read_chat_template(folder)
    for prompt in (False, True):
        ours = template.render(messages, tools, generation_prompt=prompt)
        assert ours == theirs(folder, messages, tools, add_generation_prompt=prompt)


@pytest.mark.parametrize("name", EVERY_MODEL)
@pytest.mark.parametrize("turns", [TURNS, TURNS[:3], TURNS[1:], TURNS[1:2]])
def test_the_models_of_these_tests(tiny_models, name, turns):
    check_same(tiny_models[name], turns)


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_templates_may_ask_for(folder, name):
    (folder / "chat_template.jinja").write_text(TEMPLATES[name], encoding="utf-8")
    check_same(folder, TURNS)
    check_same(folder, CALLS, TOOLS)


def test_a_template_of_its_own_for_tools(folder):
    (folder / "additional_chat_templates").mkdir()
    more = folder / "additional_chat_templates" / "tool_use.jinja"
    more.write_text(TEMPLATES["calls"], encoding="utf-8")
    check_same(folder, TURNS)
    check_same(folder, CALLS, TOOLS)
    assert "Łódź" in read_chat_template(folder).render(CALLS, TOOLS)


def test_arguments_as_text_are_given_as_objects(folder):
    (folder / "chat_template.jinja").write_text(TEMPLATES["calls"], encoding="utf-8")
    function = {**CALL["function"], "arguments": json.dumps(CALL["function"]["arguments"])}
    told = [*CALLS[:2], {"role": "assistant", "tool_calls": [{**CALL, "function": function}]}]
    assert read_chat_template(folder).render(told, TOOLS) == theirs(folder, CALLS[:3], TOOLS)


@pytest.mark.parametrize("name", REFUSING)
def test_what_fails_there_is_refused_here(folder, name):
    (folder / "chat_template.jinja").write_text(REFUSING[name])
    with pytest.raises(Exception):  # noqa: B017, PT011 - of any kind
        theirs(folder, TURNS)
    with pytest.raises(TemplateRefusal):
        read_chat_template(folder).render(TURNS)


def test_the_day_makes_no_difference(folder, transformers_today):
    (folder / "chat_template.jinja").write_text(DATED)
    transformers_today(date(2031, 5, 6))
    assert theirs(folder, TURNS) == "06 May 2031, 2031-05-06, Tuesday, 00:00"
    said = read_chat_template(folder).render(TURNS)
    assert said == "26 July 2024, 2024-07-26, Friday, 00:00"


contents = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(["chatml", "llama3", "gemma", "thinking", "family-mistral"]),
       st.lists(contents, min_size=1, max_size=4))  # fmt: skip
def test_any_contents(tiny_models, name, said):
    roles = ("user", "assistant") * 2
    turns = [{"role": role, "content": text} for role, text in zip(roles, said, strict=False)]
    check_same(tiny_models[name], turns)
