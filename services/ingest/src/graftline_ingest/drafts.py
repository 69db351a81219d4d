"""What a layout makes of a record, and how it says that it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class Refused(Exception):
    """A record cannot become an example.

    Args:
        reason: A short name for counts (`missing-field`).
        detail: What is wrong, in words, without the place.
    """

    def __init__(self, reason: str, detail: str) -> None:
        """Keep both."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(slots=True)
class Draft:
    """An example before it has split, group and id.

    Args:
        messages: Chat messages; keys that do not apply are left out.
        answer: The answer as a JSON value, where the layout has labels; its text is made of it.
        has_answer: Whether `answer` is to be used (it may be null).
        tools: Tools that the messages may call.
        task: The task that the layout is about; empty if it is about any.
        group: What a split must not cut through, where the layout says it.
        parents: Ids of what it was made of.
        source: Which characters of which document it was made of.
        meta: What else the layout knows of it.
    """

    messages: list[dict[str, Any]]
    answer: Any = None
    has_answer: bool = False
    tools: list[dict[str, Any]] | None = None
    task: str = ""
    group: str = ""
    parents: list[str] = field(default_factory=list)
    source: dict[str, Any] | None = None
    meta: dict[str, Any] = field(default_factory=dict)


def chat(text: str, answer: str, system: str = "") -> list[dict[str, Any]]:
    """Make the messages of one question and its answer."""
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
    return [{"role": "system", "content": system}, *messages] if system else messages


def question(text: str) -> list[dict[str, Any]]:
    """Make the messages of a question whose answer follows from labels."""
    return [{"role": "user", "content": text}]


def field_of(record: dict[str, Any], path: str) -> Any:
    """Give a field by its name or, where no field is called so, by a dotted path; null if absent.

    Raises:
        KeyError: There is no such field.
    """
    if path in record:
        return record[path]
    value: Any = record
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            raise KeyError(path)
        value = value[part]
    return value


def text_of(record: dict[str, Any], field: str) -> str:
    """Give a required text field; numbers are spelled out.

    Raises:
        Refused: It is missing, empty or no text.
    """
    try:
        value = field_of(record, field)
    except KeyError:
        known = ", ".join(list(record)[:12])
        raise Refused("missing-field", f"no field '{field}'; there are: {known}") from None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise Refused("not-text", f"field '{field}' holds {type(value).__name__}, not text")
    if not value.strip():
        raise Refused("empty-text", f"field '{field}' is empty")
    return value
