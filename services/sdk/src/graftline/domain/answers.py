"""What a model said, made into what was asked for, or the reason why it cannot be.

This decides the content of rows, so it counts in the keys of the stages that ask; every request
carries one of the forms below, so that a stage cannot ask without importing this module.

JSON is read strictly first: the whole text, then without the model's thinking, a code fence, or
prose around it. Only then is it repaired, and what is missing at the end is not invented: a text
that breaks off within a value is `truncated`, whatever a repair would make of it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from graftline.canonical import canonical_json
from graftline.domain import strict_json
from graftline.errors import BugError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Finish = Literal["stop", "length", "refused", "content-filter"]
"""Why a model stopped: by itself, at the token limit, by declining, or by a provider's filter."""

_LONGEST_REPAIR = 200_000
_PROBLEMS_SHOWN = 5
_PROBLEM_CHARACTERS = 200


@dataclass(frozen=True)
class AnswerProblem:
    """Why an answer cannot be used.

    Args:
        reason: A short name that rejects are counted by: `empty`, `truncated`, `refused`,
            `content-filter`, `not-json` or `schema-violation`.
        detail: One line for people, and for the model when it is asked to correct itself.
    """

    reason: str
    detail: str

    @property
    def correctable(self) -> bool:
        """Whether the model may do better when it is shown the problem."""
        return self.reason not in ("refused", "content-filter")


@dataclass(frozen=True)
class Reading:
    """An answer as it was understood.

    Args:
        text: The text without the model's thinking and without white space around it.
        data: The JSON value, where one was asked for.
        repaired: Whether the JSON had to be repaired.
        problem: Why the answer cannot be used; nothing if it can.
    """

    text: str
    data: Any = None
    repaired: bool = False
    problem: AnswerProblem | None = None


@dataclass(frozen=True)
class TextAnswer:
    """The answer is to be a text."""

    @property
    def spec(self) -> dict[str, Any]:
        """Give the form as JSON, for the request's cache key."""
        return {"kind": "text"}

    def read(self, said: str, finish: Finish = "stop") -> Reading:
        """Understand what a model said."""
        text = strip_thinking(said)
        return Reading(text, problem=_problem_of_text(text, finish))


@dataclass(frozen=True)
class JsonAnswer:
    """The answer is to be one JSON value that fits a schema.

    Make one and give it to all requests that share it: the schema is prepared once.

    Args:
        name: The schema's name; providers want one (letters, digits, `_`, `-`; at most 64).
        schema: A JSON Schema (draft 2020-12).

    Raises:
        BugError: The name or the schema is not valid.
    """

    name: str
    schema: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Refuse a name or a schema that no provider could take."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", self.name):
            raise BugError(f"'{self.name}' is no name for a JSON Schema: letters, digits, _ and -")
        _ = self._validator

    @property
    def spec(self) -> dict[str, Any]:
        """Give the form as JSON, for the request's cache key."""
        return {"kind": "json", "name": self.name, "schema": self.schema}

    @cached_property
    def schema_text(self) -> str:
        """The schema as canonical JSON."""
        return canonical_json(self.schema)

    def read(self, said: str, finish: Finish = "stop") -> Reading:
        """Understand what a model said; `data` fits the schema where there is no problem."""
        text = strip_thinking(said)
        problem = _problem_of_text(text, finish)
        if problem is not None and problem.reason != "truncated":
            return Reading(text, problem=problem)
        # The whole text first: a string in it may well speak of <think> or hold a code fence.
        for candidate in _candidates(said.strip(), text, whole=problem is None):
            parsed = strict_json.parse(candidate)
            if parsed.ok and _is_container(parsed.value, self.schema):
                return self._checked(text, parsed.value, repaired=False)
        if problem is None:
            problem = _problem_of_json(text)
        if problem is not None:
            return Reading(text, problem=problem)
        try:
            value = _repair(text)
        except _Unrepairable:
            malformed = strict_json.parse(text).problem
            return Reading(text, problem=AnswerProblem("not-json", f"not JSON: {malformed}"))
        return self._checked(text, value, repaired=True)

    def _checked(self, text: str, value: Any, *, repaired: bool) -> Reading:
        found = sorted(self._validator.iter_errors(value), key=lambda error: error.json_path)
        if not found:
            return Reading(text, value, repaired)
        shown = [f"{error.json_path}: {error.message}" for error in found[:_PROBLEMS_SHOWN]]
        lines = [" ".join(line.split())[:_PROBLEM_CHARACTERS] for line in shown]
        more = f"; and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
        detail = "; ".join(lines) + more
        return Reading(text, value, repaired, AnswerProblem("schema-violation", detail))

    @cached_property
    def _validator(self) -> Any:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError

        try:
            Draft202012Validator.check_schema(self.schema)
        except SchemaError as error:
            raise BugError(f"'{self.name}' is no JSON Schema: {error.message}") from error
        return Draft202012Validator(self.schema)


AnswerForm = TextAnswer | JsonAnswer


def correction(form: AnswerForm, problem: AnswerProblem) -> str:
    """Word the message that asks a model to answer once more."""
    if isinstance(form, TextAnswer):
        return f"Your answer cannot be used: {problem.detail}. Please answer again, and be brief."
    brief = " Be brief enough to finish." if problem.reason == "truncated" else ""
    return (
        f"Your answer cannot be used: {problem.detail}. Answer again with nothing but one JSON "
        f"value that fits this JSON Schema, without explanation and without a code fence.{brief}\n"
        f"{form.schema_text}"
    )


_THINKING = re.compile(
    r"\s*<(think|thinking|thought|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE
)
_UNOPENED = re.compile(
    r"(?:(?!<(?:think|thinking|thought|reasoning)>).)*?</(?:think|thinking|thought|reasoning)>",
    re.DOTALL | re.IGNORECASE,
)


def strip_thinking(said: str) -> str:
    """Remove the thinking that a model put before its answer, and white space around it.

    Removed are `<think>…</think>` (or thinking, thought, reasoning) at the beginning, what stands
    before a `</think>` that the prompt's template has opened, and a thought without an end.
    """
    unopened = _UNOPENED.match(said)
    if unopened and not strict_json.parse(said).ok:
        said = said[unopened.end() :]
    while thought := _THINKING.match(said):
        said = said[thought.end() :]
    return said.strip()


def _problem_of_text(text: str, finish: Finish) -> AnswerProblem | None:
    if finish == "content-filter":
        return AnswerProblem("content-filter", "the provider's filter withheld the answer")
    if finish == "refused":
        return AnswerProblem("refused", f"the model declined: {text[:_PROBLEM_CHARACTERS]}".strip())
    if finish == "length":
        return AnswerProblem("truncated", "the answer was cut off at max_tokens")
    if not text:
        return AnswerProblem("empty", "the answer is empty")
    return None


_FENCE = re.compile(r"```[ \t]*[\w+-]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```", re.DOTALL)


def _candidates(said: str, text: str, *, whole: bool) -> Iterator[str]:
    """Give where in a text the JSON may be, the least changed first.

    Args:
        said: All that the model said.
        text: The same without its thinking.
        whole: Whether it came to its end; if not, a value within prose may be any example.
    """
    yield said
    yield text
    for fenced in _FENCE.finditer(text):
        yield fenced.group(1)
    start, end = _start(text), max(text.rfind("}"), text.rfind("]"))
    if whole and 0 <= start < end:
        yield text[start : end + 1]


def _start(text: str) -> int:
    """Find where the first object or array begins; -1 if nowhere."""
    return min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=-1)


def _is_container(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value found in a text is one to judge (a bare `3` is an answer only if asked)."""
    return isinstance(value, dict | list) or schema.get("type") not in ("object", "array", None)


def _problem_of_json(text: str) -> AnswerProblem | None:
    """Say why a text that is no JSON must not be repaired, if so."""
    body = text.removesuffix("```").rstrip()
    start = _start(body)
    if start < 0:
        return None
    try:
        _, end = json.JSONDecoder().raw_decode(body, start)
    except (ValueError, RecursionError):
        problem = strict_json.parse(body[start:]).problem
        in_string = problem is not None and problem.reason == "string without an end"
        unclosed = body.count("{") > body.count("}") or body.count("[") > body.count("]")
        if in_string or (unclosed and body[-1] not in '}]"'):
            return AnswerProblem("truncated", "the answer breaks off in the middle of a value")
        return None
    if _start(body[end:]) >= 0:
        return AnswerProblem("not-json", "more than one JSON value")
    return None


class _Unrepairable(Exception):
    """A text holds nothing that can be made JSON."""


def _repair(text: str) -> Any:
    """Repair what a model got slightly wrong: quotes, commas, comments, brackets at the end.

    Raises:
        _Unrepairable: There is nothing to repair.
    """
    start = _start(text)
    if start < 0 or len(text) > _LONGEST_REPAIR:
        raise _Unrepairable
    # Only here: the library is a dependency of the services that ask, not of the SDK.
    import json_repair

    try:
        value = json_repair.loads(text[start:], skip_json_loads=True)
        value = strict_json.loads(canonical_json(value))  # no NaN, no lone surrogates
    except (ValueError, RecursionError, TypeError) as error:
        raise _Unrepairable from error
    if not isinstance(value, dict | list) or not value:
        raise _Unrepairable
    return value
