"""The Jinja that chat templates are written for: that of `transformers`, but for the clock.

Jinja itself comes with the services that import this module.
"""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jinja2.parser import Parser

TEMPLATE_DATE = date(2024, 7, 26)
"""What templates are told when they ask for today: the date that Llama's own fall back on.

`date_string`, which callers of `transformers` may set, is left undefined, as every server leaves
it: a template then says this date in the layout that it was written for."""


def chat_environment() -> ImmutableSandboxedEnvironment:
    """Make what chat templates run in; they are code of strangers."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationBlock, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = TEMPLATE_DATE.strftime
    environment.globals["dict"] = _Dict()
    environment.globals["namespace"] = _Namespace
    return environment


class _GenerationBlock(Extension):
    """Lets `{% generation %}…{% endgeneration %}` pass; where answers stand is found otherwise."""

    tags = {"generation"}  # noqa: RUF012  (Jinja's own interface)

    def parse(self, parser: Parser) -> nodes.Node:
        """Give the block's body in the block's place."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class _Dict:
    """Jinja's `dict` without the type's methods, by which objects could be changed."""

    def __call__(self, *args: Any, **values: Any) -> dict[Any, Any]:
        """Make a dictionary."""
        return dict(*args, **values)

    def fromkeys(self, keys: Iterable[Any], value: Any = None) -> dict[Any, Any]:
        """Make a dictionary with the same value for all keys."""
        return dict.fromkeys(keys, value)


class _Namespace(jinja2.utils.Namespace):
    """Jinja's `namespace` without attributes that Python itself would look at."""

    def __init__(*args: Any, **values: Any) -> None:  # a namespace may hold `self`
        """Take the attributes."""
        found = dict(*args[1:], **values)
        for name in found:
            _check_attribute(name)
        jinja2.utils.Namespace.__init__(args[0], found)

    def __setitem__(self, name: str, value: Any) -> None:
        """Set an attribute."""
        _check_attribute(name)
        super().__setitem__(name, value)


def _check_attribute(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace has no attribute {name!r}")


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
