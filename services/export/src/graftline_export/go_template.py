"""A small renderer of Go's text templates: the part of them that Ollama's chat templates use.

Ollama renders a Modelfile's TEMPLATE with Go's `text/template`
(https://pkg.go.dev/text/template); this one lets a derived template be compared with the model's
Jinja template before anybody imports it. Known: `range` (with variables), `if`, `else`, `else if`,
assignments, `break`, `continue`, comments, trim markers, and the functions of `_FUNCTIONS`.
Anything else is a `GoTemplateError`, never a guess.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ACTION = re.compile(r"\{\{(-?)\s?(/\*.*?\*/|.*?)\s?(-?)\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|`[^`]*`)|(?P<number>-?\d+)"""
    r"""|(?P<name>\$?[A-Za-z_][\w]*(?:\.\w+)*|\$(?:\.\w+)*|\.(?:\w+(?:\.\w+)*)?)|(?P<sign>:=|[()=,]))"""
)


class GoTemplateError(Exception):
    """The template uses something that this renderer does not know."""


class _Break(Exception):  # noqa: N818
    pass


class _Continue(Exception):  # noqa: N818
    pass


@dataclass
class _Node:
    """A piece of the template: text, an output, an assignment, `if` or `range`."""

    kind: str
    text: str = ""
    tokens: list[tuple[str, str]] = field(default_factory=list)
    body: list[_Node] = field(default_factory=list)
    otherwise: list[_Node] = field(default_factory=list)


def _printf(layout: str, *values: Any) -> str:
    return str(layout.replace("%d", "%s") % values)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "eq": lambda first, *others: any(first == other for other in others),
    "ne": lambda first, second: first != second,
    "lt": lambda first, second: first < second,
    "le": lambda first, second: first <= second,
    "gt": lambda first, second: first > second,
    "ge": lambda first, second: first >= second,
    "not": lambda value: not value,
    "and": lambda *values: next((value for value in values if not value), values[-1]),
    "or": lambda *values: next((value for value in values if value), values[-1]),
    "len": len,
    "index": lambda items, at: items[at],
    "slice": lambda items, start=0, end=None: items[start:end],
    "printf": _printf,
}


def render(template: str, values: dict[str, Any]) -> str:
    """Render a template with its top-level values (`System`, `Messages`, …).

    Raises:
        GoTemplateError: It is malformed, or uses what this renderer does not know.
    """
    nodes = _parse(template)
    out: list[str] = []
    _Run({"$": values}, out).run(nodes, values)
    return "".join(out)


def _parse(template: str) -> list[_Node]:
    root: list[_Node] = []
    # Each open block: the list that nodes go to, and the nodes that its `end` closes.
    stack: list[tuple[list[_Node], list[_Node]]] = [(root, [])]
    for kind, content in _pieces(template):
        target, _ = stack[-1]
        if kind == "text":
            target.append(_Node("text", content))
            continue
        tokens = _tokens(content)
        word = tokens[0][1] if tokens else ""
        if word in ("if", "range"):
            node = _Node(word, tokens=tokens[1:])
            target.append(node)
            stack.append((node.body, [node]))
        elif word == "else":
            if len(stack) < 2:
                raise GoTemplateError("'else' without 'if'")
            _, opened = stack.pop()
            if len(tokens) > 1 and tokens[1][1] == "if":
                node = _Node("if", tokens=tokens[2:])
                opened[-1].otherwise.append(node)
                stack.append((node.body, [*opened, node]))
            else:
                stack.append((opened[-1].otherwise, opened))
        elif word == "end":
            if len(stack) < 2:
                raise GoTemplateError("'end' without a block")
            stack.pop()
        elif word in ("break", "continue"):
            target.append(_Node(word))
        elif word in ("define", "template", "block", "with"):
            raise GoTemplateError(f"'{word}' is not known")
        elif len(tokens) > 1 and tokens[1][1] in (":=", "="):
            target.append(_Node("assign", tokens[0][1], tokens[2:]))
        elif tokens:
            target.append(_Node("output", tokens=tokens))
    if len(stack) > 1:
        raise GoTemplateError("a block without 'end'")
    return root


def _pieces(template: str) -> Iterator[tuple[str, str]]:
    at, trim = 0, False
    for match in _ACTION.finditer(template):
        text = template[at : match.start()]
        text = text.lstrip() if trim else text
        text = text.rstrip() if match[1] else text
        if text:
            yield "text", text
        if not match[2].startswith("/*"):
            yield "action", match[2]
        at, trim = match.end(), bool(match[3])
    text = template[at:]
    text = text.lstrip() if trim else text
    if text:
        yield "text", text


def _tokens(action: str) -> list[tuple[str, str]]:
    found, at = [], 0
    action = action.strip()
    while at < len(action):
        match = _TOKEN.match(action, at)
        if not match:
            raise GoTemplateError(f"not understood: {action!r}")
        found.append((str(match.lastgroup), match[match.lastgroup or 0]))
        at = match.end()
    return found


@dataclass
class _Run:
    """The state of one rendering: variables and what was written."""

    variables: dict[str, Any]
    out: list[str]

    def run(self, nodes: list[_Node], dot: Any) -> None:
        for node in nodes:
            if node.kind == "text":
                self.out.append(node.text)
            elif node.kind == "output":
                self.out.append(_shown(self.value(node.tokens, dot)))
            elif node.kind == "assign":
                self.variables[node.text] = self.value(node.tokens, dot)
            elif node.kind == "if":
                self.run(node.body if self.value(node.tokens, dot) else node.otherwise, dot)
            elif node.kind == "range":
                self.loop(node, dot)
            else:
                raise _Break if node.kind == "break" else _Continue

    def loop(self, node: _Node, dot: Any) -> None:
        tokens, names = node.tokens, []
        texts = [text for _, text in tokens]
        if ":=" in texts:
            split = texts.index(":=")
            names = [text for text in texts[:split] if text != ","]
            tokens = tokens[split + 1 :]
        items = self.value(tokens, dot) or []
        if not items:
            self.run(node.otherwise, dot)
        for index, item in enumerate(items):
            # One name is the element; two are the index and the element.
            self.variables.update(zip(names, [index, item][-len(names) :], strict=False))
            try:
                self.run(node.body, item)
            except _Continue:
                continue
            except _Break:
                break

    def value(self, tokens: list[tuple[str, str]], dot: Any) -> Any:
        values, at = [], 0
        while at < len(tokens):
            value, at = self.term(tokens, at, dot)
            values.append(value)
        if not values:
            raise GoTemplateError("an empty expression")
        if callable(values[0]):
            return values[0](*values[1:])
        if len(values) > 1:
            raise GoTemplateError("a value where a function is expected")
        return values[0]

    def term(self, tokens: list[tuple[str, str]], at: int, dot: Any) -> tuple[Any, int]:
        kind, text = tokens[at]
        if kind == "string":
            return (text[1:-1] if text[0] == "`" else json.loads(text)), at + 1
        if kind == "number":
            return int(text), at + 1
        if kind == "sign":
            if text != "(":
                raise GoTemplateError(f"unexpected '{text}'")
            depth, end = 1, at + 1
            while depth:
                if end >= len(tokens):
                    raise GoTemplateError("'(' without ')'")
                depth += {"(": 1, ")": -1}.get(tokens[end][1], 0)
                end += 1
            return self.value(tokens[at + 1 : end - 1], dot), end
        return self.named(text, dot), at + 1

    def named(self, text: str, dot: Any) -> Any:
        if text in ("true", "false"):
            return text == "true"
        if not text.startswith((".", "$")):
            if text not in _FUNCTIONS:
                raise GoTemplateError(f"the function '{text}' is not known")
            return _FUNCTIONS[text]
        head, *fields = text.split(".")
        value = dot
        if head:
            if head not in self.variables:
                raise GoTemplateError(f"the variable '{head}' is not set")
            value = self.variables[head]
        for name in fields:
            if name:
                value = value.get(name, "") if isinstance(value, dict) else ""
        return value


def _shown(value: Any) -> str:
    return {True: "true", False: "false"}.get(value, "") if isinstance(value, bool) else str(value)
