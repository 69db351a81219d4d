"""A model's chat template, rendered as `transformers` renders it, without `transformers`.

That library imports torch (seconds, and 250 MB) for what a Jinja environment does. The tests hold
the two against each other.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from graftline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from jinja2.parser import Parser


class TemplateRefusal(Exception):
    """The template cannot render a conversation, or says that it does not want to."""


class _GenerationBlock(Extension):
    """Lets `{% generation %}…{% endgeneration %}` pass; where answers stand is found otherwise."""

    tags = {"generation"}  # noqa: RUF012  (Jinja's own interface)

    def parse(self, parser: Parser) -> nodes.Node:
        """Give the block's body in the block's place."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class ChatTemplate:
    """Renders conversations.

    Args:
        source: The template's text.
        tokens: Special tokens by the names that templates know them by (`bos_token`).
        today: The date for templates that ask for today's.

    Raises:
        ConfigError: The text is not a Jinja template.
    """

    def __init__(self, source: str, tokens: Mapping[str, str], today: date) -> None:
        """Compile the template."""
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationBlock, loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = today.strftime
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise ConfigError(
                f"the model's chat template is broken at line {error.lineno}: {error.message}"
            ) from error
        self._tokens = dict(tokens)

    def render(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]] | None = None,
        *,
        generation_prompt: bool = False,
    ) -> str:
        """Render a conversation.

        Args:
            messages: Without null keys.
            tools: JSON Schemas of functions.
            generation_prompt: Whether to end with the beginning of an assistant's answer.

        Raises:
            TemplateRefusal: The template does not take this conversation; its message says why.
        """
        try:
            return self._template.render(
                messages=messages,
                tools=tools,
                documents=None,
                add_generation_prompt=generation_prompt,
                **self._tokens,
            )
        except (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
            raise TemplateRefusal(" ".join(str(error).split()) or type(error).__name__) from error


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Replace Jinja's own filter, which escapes HTML."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
