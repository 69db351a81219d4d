"""Rows that the adapter won, lost, or still gets wrong, beside the base's answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.domain.rows import read_rows
from graftline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graftline.ports import Input
    from graftline_report.config import ReportConfig

_COLUMNS = ("id", "split", "variant", "output", "gold", "prompt", "exact_match", "reason")
_VARIANT_NAMES = {"plain": "the training prompt", "few_shot": "schema and examples"}


@dataclass(frozen=True)
class ComparedRow:
    """One evaluation row with both answers."""

    id: str
    split: str
    prompt: str
    gold: str
    base_output: str
    base_reason: str
    adapted_output: str
    adapted_reason: str


@dataclass(frozen=True)
class Group:
    """Rows of one kind: how many there are, and the first few by id."""

    title: str
    total: int
    rows: tuple[ComparedRow, ...]


@dataclass(frozen=True)
class Examples:
    """All kinds, and which of the base's prompts they are compared with."""

    against: str
    groups: tuple[Group, ...]


def compare_rows(config: ReportConfig, metrics: Iterable[Input]) -> Examples:
    """Pair the rows of baseline and adapted by id and sort them into kinds.

    The base's answers are those of its variant with most right rows; a few rows of each kind are
    kept while streaming, the others are only counted.

    Raises:
        DataError: A metrics artifact has no usable rows.
    """
    by_role = {_role(item): item for item in metrics}
    if "baseline" not in by_role or "adapted" not in by_role:
        return Examples("", ())
    variant = _best_variant(by_role["baseline"], config.split)
    base = {
        row["id"]: row
        for row in _rows(by_role["baseline"])
        if row["variant"] == variant and row["split"] == config.split
    }
    kinds: dict[str, list[ComparedRow]] = {"Won": [], "Lost": [], "Still wrong": []}
    counts = dict.fromkeys([*kinds, "Right before and after"], 0)
    for row in sorted(_rows(by_role["adapted"]), key=lambda row: str(row["id"])):
        before = base.get(row["id"])
        if before is None or row["split"] != config.split:
            continue
        kind = _kind(bool(before["exact_match"]), bool(row["exact_match"]))
        counts[kind] += 1
        if kind in kinds and len(kinds[kind]) < config.examples:
            kinds[kind].append(_compared(before, row, config.max_characters))
    groups = [Group(title, counts[title], tuple(kinds.get(title, ()))) for title in counts]
    return Examples(_VARIANT_NAMES.get(variant, variant), tuple(groups))


def _kind(before: bool, after: bool) -> str:
    if after:
        return "Right before and after" if before else "Won"
    return "Lost" if before else "Still wrong"


def _role(item: Input) -> str:
    try:
        found = json.loads((item.path / "metrics.json").read_text(encoding="utf-8"))
        return str(found["role"])
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"metrics of step '{item.step}' cannot be read: {error}") from error


def _rows(item: Input) -> Iterable[dict[str, Any]]:
    try:
        yield from read_rows(item.path, _COLUMNS)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"rows of step '{item.step}' cannot be read: {error}") from error


def _best_variant(item: Input, split: str) -> str:
    right: dict[str, int] = {}
    for row in _rows(item):
        if row["split"] == split:
            right[row["variant"]] = right.get(row["variant"], 0) + bool(row["exact_match"])
    return max(sorted(right), key=lambda name: right[name], default="plain")


def _compared(before: dict[str, Any], after: dict[str, Any], limit: int) -> ComparedRow:
    return ComparedRow(
        id=after["id"],
        split=after["split"],
        prompt=cut(after["prompt"], limit),
        gold=cut(after["gold"], limit),
        base_output=cut(before["output"], limit),
        base_reason=before["reason"] or "",
        adapted_output=cut(after["output"], limit),
        adapted_reason=after["reason"] or "",
    )


def cut(text: str, limit: int) -> str:
    """Cut a long text in the middle: head 60 %, tail 40 %, and a mark that says how much."""
    if len(text) <= limit:
        return text
    head = int(limit * 0.6)
    tail = limit - head
    return f"{text[:head]}\n… {len(text) - limit} characters …\n{text[-tail:]}"
