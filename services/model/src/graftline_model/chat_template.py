"""Checking a chat template before anything is trained with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

from graftline.errors import ConfigError, DataError, GraftlineError

if TYPE_CHECKING:
    from pathlib import Path

    from jinja2.parser import Parser

TEMPLATE_FILE = "chat_template.jinja"
_PROBE = "Graftline asks."


class _Generation(Extension):
    """transformers' `{% generation %}` block; for rendering it is only its content."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        """Give the content."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def check_template(template: str, special: dict[str, Any], *, overridden: bool, model: str) -> None:
    """Render a question with the template, as transformers would.

    Args:
        template: The Jinja text.
        special: `bos_token`, `eos_token` and the like.
        overridden: Whether it stands in the step's settings rather than in the model.
        model: The model, for the message.

    Raises:
        ConfigError: The model has none, or the one in the settings is wrong.
        DataError: The model's own one is wrong.
    """
    if not template.strip():
        raise ConfigError(
            f"{model} has no chat template",
            "set `chat_template` to one (a Jinja text), or use the model's instruct version",
        )
    problem = _problem(template, special)
    if not problem:
        return
    kind: type[GraftlineError] = ConfigError if overridden else DataError
    whose = "the setting `chat_template`" if overridden else f"the chat template of {model}"
    raise kind(f"{whose} {problem}")


def _problem(template: str, special: dict[str, Any]) -> str:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = json.dumps
    environment.globals["strftime_now"] = lambda layout: layout
    environment.globals["raise_exception"] = _refuse
    messages = [{"role": "user", "content": _PROBE}]
    try:
        text = environment.from_string(template).render(
            messages=messages, add_generation_prompt=True, tools=None, documents=None, **special
        )
    except TemplateError as error:
        return f"cannot be rendered: {error}"
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        return f"fails on a plain question: {error}"
    return "" if _PROBE in text else "does not show the user's message"


def _refuse(message: str) -> None:
    raise TemplateError(message)


def stored_template(folder: Path) -> str:
    """Find a model folder's chat template: its own file, or inside `tokenizer_config.json`."""
    own = folder / TEMPLATE_FILE
    if own.is_file():
        return own.read_text()
    for name in ("chat_template.json", "tokenizer_config.json"):
        path = folder / name
        if not path.is_file():
            continue
        stored = json.loads(path.read_text()).get("chat_template")
        if isinstance(stored, list):
            by_name = {item["name"]: item["template"] for item in stored}
            stored = by_name.get("default")
        if stored:
            return str(stored)
    return ""


def token_texts(tokenizer_config: dict[str, Any]) -> dict[str, str]:
    """Give the special tokens that a template may name, as text."""
    texts = {}
    for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
        value = tokenizer_config.get(name)
        if isinstance(value, dict):
            value = value.get("content")
        if isinstance(value, str):
            texts[name] = value
    return texts
