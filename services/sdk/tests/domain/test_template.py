"""Chat templates as they stand in a model's folder, and what they are told."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from graftline.domain.template import ChatTemplate, TemplateRefusal, read_chat_template
from graftline.errors import ConfigError

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture
def folder(tmp_path):
    """A model's folder with a template and an end token."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    configure(folder, eos_token="</s>")
    (folder / "chat_template.jinja").write_text("plain {{ eos_token }}")
    return folder


def configure(folder, **settings):
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def render(template):
    return ChatTemplate({"default": template}, {}).render(HI)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ strftime_now('%Y-%m-%d') }}", "2024-07-26"),
        ("{% set day = strftime_now('%B %d, %Y') %}{{ day }}", "July 26, 2024"),
        (
            "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}"
            "{% endif %}{{ date_string }}",
            "26 Jul 2024",
        ),
        ("{{ date_string if date_string is defined else 'its own date' }}", "its own date"),
    ],
)
def test_today_is_always_the_same_day(template, said):
    assert render(template) == said


def test_the_file_is_read_before_the_settings(folder):
    configure(folder, chat_template="older", eos_token="</s>")
    assert read_chat_template(folder).render(HI) == "plain </s>"
    (folder / "chat_template.jinja").unlink()
    assert read_chat_template(folder).render(HI) == "older"


@pytest.mark.parametrize(
    "given",
    [
        [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}],
        {"default": "d", "tool_use": "t"},
    ],
)
def test_a_template_for_tools_is_taken_for_tools(folder, given):
    (folder / "chat_template.jinja").unlink()
    configure(folder, chat_template=given)
    template = read_chat_template(folder)
    assert (template.render(HI), template.render(HI, [{}]), template.render(HI, [])) == (
        "d", "t", "d",
    )  # fmt: skip


def test_a_template_for_tools_may_be_a_file(folder):
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text("t")
    template = read_chat_template(folder)
    assert (template.render(HI), template.render(HI, [{}])) == ("plain </s>", "t")


def test_special_tokens_may_be_objects_and_in_an_older_file(folder):
    (folder / "chat_template.jinja").write_text("{{ bos_token }}{{ eos_token }}{{ pad_token }}")
    configure(folder, eos_token={"content": "</s>", "lstrip": False}, pad_token=None)
    older = {"bos_token": "<s>", "eos_token": "<old>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(older))
    assert read_chat_template(folder).render(HI) == "<s></s>"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda f: (f / "chat_template.jinja").unlink(), "model tiny has no chat .*instruction"),
        (lambda f: (f / "chat_template.jinja").write_text("a\n{% if %}"), "broken at line 2"),
        (lambda f: (f / "tokenizer_config.json").write_text("{"), "tokenizer_config.json is not"),
        (lambda f: (f / "special_tokens_map.json").write_text("[]"), "map.json is not a JSON obj"),
        (
            lambda f: [
                (f / "chat_template.jinja").unlink(),
                configure(f, chat_template=[{"name": "rag", "template": ""}]),
            ],
            "templates rag but no default",
        ),
    ],
)
def test_what_is_broken_is_named(folder, spoil, told):
    spoil(folder)
    with pytest.raises(ConfigError, match=told):
        read_chat_template(folder)


def test_a_broken_template_for_tools_is_named_at_once():
    with pytest.raises(ConfigError, match="broken at line 1"):
        ChatTemplate({"default": "fine", "tool_use": "{% if %}"}, {})


def test_a_calls_arguments_become_an_object_where_they_are_one():
    template = ChatTemplate({"default": "{{ messages[0].tool_calls[0].function.arguments }}"}, {})

    def shown(arguments):
        call = {"function": {"name": "weather", "arguments": arguments}}
        message = {"role": "assistant", "tool_calls": [call]}
        text = template.render([message])
        assert message["tool_calls"][0]["function"]["arguments"] == arguments
        return text

    assert shown('{"city": "Łódź"}') == "{'city': 'Łódź'}"
    assert [shown(other) for other in ('{"city":', None, {"city": "x"})] == [
        '{"city":', "None", "{'city': 'x'}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ raise_exception('no system\n role') }}", "no system role"),
        ("{{ nothing.at_all }}", "'nothing' is undefined"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ messages[0].content + 1 }}", "can only concatenate str"),
        ("{{ dict.update(messages[0], role='x') }}", "has no attribute 'update'"),
        ("{{ messages[0].update(role='x') }}", "of .dict. object is unsafe"),
        ("{{ namespace(__class__=1) }}", "no attribute '__class__'"),
        ("{% set ns = namespace() %}{% set ns._x = 1 %}", "no attribute '_x'"),
    ],
)
def test_a_template_refuses_with_its_own_words(template, told):
    with pytest.raises(TemplateRefusal, match=told):
        render(template)


def test_neither_torch_nor_transformers_is_loaded():
    code = (
        "import sys, graftline.domain.template; "
        "print(sorted({'torch', 'transformers', 'tokenizers'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
