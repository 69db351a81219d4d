r"""JSON as RFC 8259 has it, and nothing else: one value, or the reason why there is none.

Python's own parser takes `NaN` and `Infinity`, keeps the last of two equal keys, and turns `1e999`
into an infinity. Text that only Python understands must not pass as JSON, so here these are
refused, as are: text after the value, a byte order mark, lone surrogates (`"\ud800"`, which no
UTF-8 file can hold), and what a parser may limit (RFC 8259, section 9): nesting deeper than
`MAX_DEPTH` and integers longer than `MAX_INTEGER_DIGITS`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

MAX_DEPTH = 256
MAX_INTEGER_DIGITS = 4000


class MalformedJson(ValueError):
    """A text is not JSON.

    Args:
        reason: What is wrong, in a few words.
        line: The line, from 1; lines end at line feeds.
        column: The character within the line, from 1.
    """

    def __init__(self, reason: str, line: int, column: int) -> None:
        """Keep the reason and the place."""
        super().__init__(reason, line, column)
        self.reason = reason
        self.line = line
        self.column = column

    def __str__(self) -> str:
        """Give `reason at line 1, column 7`."""
        return f"{self.reason} at line {self.line}, column {self.column}"


@dataclass(frozen=True)
class Parsed:
    """A JSON value, or why there is none.

    Args:
        value: The value (`None` also stands for JSON's `null`; see `ok`).
        problem: Why the text is not JSON; nothing if it is.
    """

    value: Any = None
    problem: MalformedJson | None = None

    @property
    def ok(self) -> bool:
        """Whether the text is JSON."""
        return self.problem is None


def parse(text: str | bytes) -> Parsed:
    """Read one JSON value, with only JSON's own white space around it.

    Args:
        text: The text; bytes are read as UTF-8.
    """
    try:
        return Parsed(loads(text))
    except MalformedJson as problem:
        return Parsed(problem=problem)


def loads(text: str | bytes) -> Any:
    """Read one JSON value, like `parse`.

    Raises:
        MalformedJson: The text is not JSON.
    """
    if isinstance(text, bytes):
        text = _decode(text)
    if text.startswith("\ufeff"):
        raise MalformedJson("byte order mark", 1, 1)
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = _REASONS.get(error.msg, error.msg[:1].lower() + error.msg[1:])
        raise _problem_at(text, reason, error.pos) from None
    except _Refused as refused:
        raise _problem_at(text, str(refused), _find(text, refused)) from None
    if "\\u" in text or not _encodable(text):
        _check_surrogates(text, value)
    return value


class _Refused(ValueError):
    """What Python's parser would take; `token` is how the text spells it ("" for a key)."""

    def __init__(self, reason: str, token: str = "") -> None:
        super().__init__(reason)
        self.token = token


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Refused(f"duplicate key {json.dumps(key)}")
            seen.add(key)
    return members


def _constant(token: str) -> NoReturn:
    raise _Refused(f"{token} is not a JSON value", token)


def _float(token: str) -> float:
    value = float(token)
    if value in (float("inf"), float("-inf")):
        raise _Refused("number out of range", token)
    return value


def _integer(token: str) -> int:
    if len(token) > MAX_INTEGER_DIGITS:
        raise _Refused("integer too long", token)
    return int(token)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_constant=_constant,
    parse_float=_float,
    parse_int=_integer,
)

_REASONS = {
    "Expecting value": "a value is missing",
    "Extra data": "text after the JSON value",
    "Expecting property name enclosed in double quotes": "a key in double quotes is missing",
    "Illegal trailing comma before end of object": "comma before '}'",
    "Illegal trailing comma before end of array": "comma before ']'",
    "Expecting ',' delimiter": "a comma or the end is missing",
    "Expecting ':' delimiter": "a colon is missing",
    "Unterminated string starting at": "string without an end",
    "Invalid control character at": "control character in a string",
    "Invalid \\escape": "unknown escape",
    "Invalid \\uXXXX escape": "broken \\u escape",
}


def _problem_at(text: str, reason: str, offset: int) -> MalformedJson:
    line_start = text.rfind("\n", 0, offset) + 1
    return MalformedJson(reason, text.count("\n", 0, offset) + 1, offset - line_start + 1)


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        raise _problem_at(before, "not UTF-8", len(before)) from None


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]|-?Infinity|NaN|-?\d[\d.eE+-]*|[:,]', re.DOTALL)


def _find(text: str, refused: _Refused) -> int:
    """Find where a text that parses otherwise holds what was refused (its offset)."""
    keys: list[set[str] | None] = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        if refused.token:
            if token == refused.token:
                return match.start()
        elif token in "{[":
            keys.append(set() if token == "{" else None)
        elif token in "}]":
            keys.pop()
        elif token[0] == '"' and keys and keys[-1] is not None and _is_key(text, match.end()):
            key = json.loads(token, strict=False)
            if key in keys[-1]:
                return match.start()
            keys[-1].add(key)
    return 0


_KEY_END = re.compile(r"[ \t\n\r]*:")


def _is_key(text: str, end: int) -> bool:
    return _KEY_END.match(text, end) is not None


def _check_depth(text: str) -> None:
    depth = 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _problem_at(text, f"nested deeper than {MAX_DEPTH}", match.start())
        elif token in "]}":
            depth -= 1


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_surrogates(text: str, value: Any) -> None:
    spelled = json.dumps(value, ensure_ascii=False)
    if _encodable(spelled):
        return
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token[0] == '"' and not _encodable(json.loads(token)):
            raise _problem_at(text, "lone surrogate in a string", match.start())
