"""What readers give: records with their place, and what they could not read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SHOWN_CHARACTERS = 4000


@dataclass(frozen=True)
class Malformed:
    """A row that could not be read at all.

    Args:
        reason: A short name for counts (`malformed-json`).
        problem: What is wrong, in words.
        column: Where in its line, from 1; 0 if the whole row is meant.
        raw: Its text, cut to a few thousand characters.
    """

    reason: str
    problem: str
    column: int
    raw: str

    @classmethod
    def of(cls, reason: str, problem: str, raw: bytes | str, column: int = 0) -> Malformed:
        """Make one of raw bytes or text."""
        text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
        return cls(reason, problem, column, text[:_SHOWN_CHARACTERS])


Numbered = tuple[int, "dict[str, Any] | list[Any] | Malformed | Any"]
"""A record with its line (text) or row (elsewhere) in its file, from 1."""


@dataclass(frozen=True)
class Feed:
    """One file, or one split of a Hub set.

    Args:
        name: For messages: relative path or split.
        in_folder: Whether the name tells this file from others of the source.
        split: The split that its name says, as the data spells it; empty if none.
        unit: What the numbers count: line, row or item.
        text_cells: Whether all values are text (CSV), so that labels take the schema's types.
        records: Opens it and gives its records; called once.
    """

    name: str
    in_folder: bool
    split: str
    unit: str
    text_cells: bool
    records: Callable[[], Iterator[Numbered]]

    def place(self, number: int, column: int = 0) -> str:
        """Say where a record is: `orders.jsonl, line 17, column 5`."""
        where = f"{self.name}, {self.unit} {number}"
        return f"{where}, column {column}" if column else where
