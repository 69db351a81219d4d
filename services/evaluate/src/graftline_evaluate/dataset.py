"""The rows to evaluate, and the train rows that few-shot examples are chosen from."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.canonical import sha256_text
from graftline.domain.examples import answer, compact
from graftline.domain.rows import read_rows
from graftline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

TRAIN_SPLIT = "train"
_TRAIN_POOL_ROWS = 512
_NAMED_ROWS = 3
_COLUMNS = ("id", "parents", "source", "group", "split", "messages", "tools", "meta")


@dataclass(frozen=True)
class EvalRow:
    """One question with its gold answer.

    Args:
        id: The example's id.
        split: The example's split.
        group: The example's group.
        messages: The prompt: all messages but the last, null keys dropped.
        gold: The last message's text.
        tools: JSON Schemas of tools, for the chat template.
        parents: Ids of what the example was made of.
        source: Where in a document that stands, as `rows.SPAN`, if it is known.
        meta: Whatever else is known of the example, as canonical JSON.
    """

    id: str
    split: str
    group: str
    messages: tuple[dict[str, Any], ...]
    gold: str
    tools: tuple[dict[str, Any], ...] | None
    parents: tuple[str, ...] = ()
    source: dict[str, Any] | None = None
    meta: str = "{}"

    @property
    def key(self) -> tuple[str, str]:
        """What tells rows apart: an id may occur once in each split."""
        return self.split, self.id

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.id} ({self.split})"


def read_eval_rows(folder: Path, splits: Sequence[str], max_rows: int | None) -> list[EvalRow]:
    """Read the rows of the asked splits, in the order of splits and files.

    Args:
        folder: The examples.
        splits: Those wanted; absent ones are left out.
        max_rows: Rows of each split. Of more, those whose ids have the smallest digests are
            taken: a choice that depends on nothing else, so that two steps agree on it.

    Raises:
        DataError: No row has one of these splits, an id occurs twice in a split, or a row is no
            question with an answer.
    """
    kept: dict[str, list[tuple[int, int, EvalRow]]] = {split: [] for split in splits}
    others: Counter[str] = Counter()
    for index, row in enumerate(read_rows(folder, _COLUMNS)):
        if row["split"] not in kept:
            others[row["split"]] += 1
            continue
        heap = kept[row["split"]]
        # A heap with the largest rank on top, which the next smaller one replaces.
        item = (-_rank(row["id"]), -index, _eval_row(row))
        if max_rows is None or len(heap) < max_rows:
            heapq.heappush(heap, item)
        else:
            heapq.heappushpop(heap, item)
    if not any(kept.values()):
        known = ", ".join(f"{split} ({count})" for split, count in sorted(others.items())) or "none"
        raise DataError(
            f"no rows in the splits {', '.join(splits)}; there are: {known}",
            "set `splits` to one of these, or give the examples an evaluation split",
        )
    rows = [row for split in splits for _, _, row in sorted(kept[split], key=lambda i: -i[1])]
    _refuse_repeated(rows)
    return rows


def check_gold(rows: Iterable[EvalRow], problem: Callable[[str], str], advice: str) -> None:
    """Check every gold answer.

    Args:
        rows: The rows.
        problem: Gives why a text can be no gold answer, or nothing.
        advice: What to do about it.

    Raises:
        DataError: Some are not what they should be; against those no answer could be right, so
            that every figure would be too low.
    """
    wrong = [f"{row.name}: {told}" for row in rows if (told := problem(row.gold))]
    if wrong:
        raise DataError(f"{len(wrong)} gold answers cannot be scored: {name_some(wrong)}", advice)


def read_train_pool(folder: Path) -> list[EvalRow]:
    """Read up to 512 train rows: those whose ids have the smallest digests, in that order."""
    rows = (row for row in read_rows(folder, _COLUMNS) if row["split"] == TRAIN_SPLIT)
    chosen = heapq.nsmallest(_TRAIN_POOL_ROWS, rows, key=lambda row: (_rank(row["id"]), row["id"]))
    return [_eval_row(row) for row in chosen]


def _eval_row(row: dict[str, Any]) -> EvalRow:
    messages = compact(row["messages"])
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        raise DataError(
            f"row {row['id']} ({row['split']}): the last message is no assistant's answer"
        )
    if not answer(row):
        raise DataError(
            f"row {row['id']} ({row['split']}): its answer has no text, as that of a "
            "question that nothing answers (SQuAD 2)",
            "an empty answer cannot be scored: reject such rows before (curate)",
        )
    tools = json.loads(row["tools"]) if row["tools"] else None
    return EvalRow(
        id=row["id"],
        split=row["split"],
        group=row["group"],
        messages=tuple(messages[:-1]),
        gold=answer(row),
        tools=tuple(tools) if tools else None,
        parents=tuple(row["parents"]),
        source=row["source"],
        meta=row["meta"],
    )


def _refuse_repeated(rows: Iterable[EvalRow]) -> None:
    counts = Counter(row.key for row in rows)
    repeated = [f"{name} ({split})" for (split, name), count in counts.items() if count > 1]
    if repeated:
        raise DataError(f"{len(repeated)} rows occur more than once: {name_some(repeated)}")


def _rank(name: str) -> int:
    return int(sha256_text(name)[:16], 16)


def name_some(names: Sequence[str]) -> str:
    """Name the first few of many, for a message."""
    more = len(names) - _NAMED_ROWS
    return "; ".join(names[:_NAMED_ROWS]) + (f"; and {more} more" if more > 0 else "")
