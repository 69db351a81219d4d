"""Rows that the steps refused: how many, why, and one example of each reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graftline.domain.rows import read_rows
from graftline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graftline.ports import Input

_MOST_CHARACTERS = 160


@dataclass(frozen=True)
class Refusal:
    """What one step refused for one reason; `example` is the first one's detail."""

    step: str
    reason: str
    rows: int
    example: str


def count_refusals(rejects: Iterable[Input]) -> list[Refusal]:
    """Count rejects by step and reason, the most first within a step; nothing else is kept.

    Raises:
        DataError: One of the inputs holds no rejects.
    """
    found: list[Refusal] = []
    for item in rejects:
        counts: dict[str, int] = {}
        examples: dict[str, str] = {}
        try:
            for row in read_rows(item.path, ("reason", "detail")):
                counts[row["reason"]] = counts.get(row["reason"], 0) + 1
                examples.setdefault(row["reason"], _short(row["detail"]))
        except (OSError, KeyError, ValueError) as error:
            raise DataError(f"rejects of step '{item.step}' cannot be read: {error}") from error
        found += [
            Refusal(item.step, reason, rows, examples[reason])
            for reason, rows in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
        ]
    return found


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 1]}…"
