"""The variant `few_shot`: what a base model is told besides the training prompt.

Examples from the train split stand before the question as turns of the conversation, as chat
models saw them in their own training. Where answers have a schema, it is added to the system
message.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.domain.strict_json import parse
from graftline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline_evaluate.dataset import EvalRow

_SCHEMA_INTRODUCTION = "Answer with one JSON value, and nothing else, that keeps to this schema:"


@dataclass(frozen=True)
class FewShotPrompt:
    """What stands before each question.

    Args:
        schema_text: Added to the system message; empty where there is no schema.
        examples: Shown as turns.
    """

    schema_text: str
    examples: tuple[EvalRow, ...]

    def around(self, messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Put the schema and the examples before a question (its messages without the answer)."""
        system, question = _split_system(messages)
        text = "\n\n".join(part for part in (system, self.schema_text) if part)
        shown: list[dict[str, Any]] = [{"role": "system", "content": text}] if text else []
        for example in self.examples:
            shown += _split_system(example.messages)[1]
            shown.append({"role": "assistant", "content": example.gold})
        return [*shown, *question]


def make_few_shot(
    schema: dict[str, Any] | None, pool: Sequence[EvalRow], rows: int
) -> FewShotPrompt:
    """Choose examples and write the schema.

    Args:
        schema: Of the answers; nothing where they are free text.
        pool: Train rows to choose from. With a schema, those whose answer is no JSON are passed
            over.
        rows: How many.

    Raises:
        DataError: There are not so many.
    """
    if schema is None:
        return FewShotPrompt("", tuple(_choose_typical(pool, rows)))
    spelled = json.dumps(schema, ensure_ascii=False)
    return FewShotPrompt(f"{_SCHEMA_INTRODUCTION}\n{spelled}", tuple(_choose(pool, rows)))


def _choose_typical(pool: Sequence[EvalRow], rows: int) -> list[EvalRow]:
    """Take rows whose answers are as long as most are, no two of a group while others are left.

    They show what an answer looks like: how long, in which tone. Of equals the shorter row, then
    the first in the pool, is taken.
    """
    _refuse_few(len(pool), rows)
    usual = statistics.median(len(row.gold) for row in pool) if pool else 0
    ranked = sorted(pool, key=lambda row: (abs(len(row.gold) - usual), _size(row)))
    first_of_group = {row.group: row for row in reversed(ranked)}
    fresh = [row for row in ranked if first_of_group[row.group] is row]
    others = [row for row in ranked if first_of_group[row.group] is not row]
    return [*fresh, *others][:rows]


def _choose(pool: Sequence[EvalRow], rows: int) -> list[EvalRow]:
    """Take, one after the other, the row that shows most of what was not shown yet.

    A row shows, for each place of its answer, that it is null, or a list's emptiness, or which
    value it has (values that only one row has, such as order numbers, count as "some text").
    Of equals the shorter one, then the first in the pool, is taken.
    """
    answers = [(row, parsed.value) for row in pool if (parsed := parse(row.gold)).ok]
    _refuse_few(len(answers), rows)
    shown_by = [_traits(value) for _, value in answers]
    counts: dict[tuple[str, str], int] = {}
    for traits in shown_by:
        for trait in traits:
            counts[trait] = counts.get(trait, 0) + 1
    common = [{trait for trait in traits if counts[trait] > 1} for traits in shown_by]
    lengths = [_size(row) for row, _ in answers]
    shown: set[tuple[str, str]] = set()
    left = list(range(len(answers)))
    chosen = []
    for _ in range(rows):
        best = max(left, key=lambda i: (len(common[i] - shown), -lengths[i], -i))
        left.remove(best)
        shown |= common[best]
        chosen.append(answers[best][0])
    return chosen


def _traits(value: Any, place: str = "") -> set[tuple[str, str]]:
    if isinstance(value, dict):
        inner = [_traits(part, f"{place}.{name}") for name, part in value.items()]
        return {(place, "object")}.union(*inner)
    if isinstance(value, list):
        inner = [_traits(part, f"{place}[]") for part in value]
        return {(place, "list" if value else "empty list")}.union(*inner)
    traits = {(place, type(value).__name__)}
    return traits | {(place, json.dumps(value))}


def _split_system(messages: Sequence[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    if messages and messages[0]["role"] == "system":
        return str(messages[0].get("content") or ""), list(messages[1:])
    return "", list(messages)


def _refuse_few(usable: int, rows: int) -> None:
    if usable < rows:
        raise DataError(
            f"few_shot.rows is {rows}, but only {usable} rows of the train split are usable",
            "give the examples a train split, or set few_shot.rows or few_shot.use: never",
        )


def _size(row: EvalRow) -> int:
    return len(row.gold) + sum(len(message.get("content") or "") for message in row.messages)
