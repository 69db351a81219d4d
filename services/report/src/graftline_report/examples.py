"""Rows that the adapter won, lost, or still gets wrong, beside the base's answer."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.domain.rows import read_rows
from graftline.errors import DataError
from graftline_report.paragraphs import paragraph_of, read_chunks
from graftline_report.reading import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from graftline.ports import Input
    from graftline_report.config import ReportConfig
    from graftline_report.paragraphs import Paragraph

_SCORES = ("exact_match", "failure", "token_f1")
_COLUMNS = ("id", "split", "variant", "output", "reason", *_SCORES)
_ADAPTED_COLUMNS = (*_COLUMNS, "gold", "prompt", "parents", "source", "meta")
_VARIANT_NAMES = {
    "json_task": {"plain": "the training prompt", "few_shot": "schema and examples"},
    "qa": {"plain": "the training prompt", "few_shot": "a prompt with examples"},
}
_WORDS_OF_RIGHT = {
    "json_task": "A row counts as right when the whole answer equals the expected one.",
    "qa": "A row counts as right when its answer is ended, is not empty, and has enough words in"
    " common with the expected one; the rows with the largest difference come first.",
}
_JSON_TASK = "json_task"


@dataclass(frozen=True)
class ComparedRow:
    """One evaluation row with both answers; overlaps are null where they were not measured."""

    id: str
    split: str
    prompt: str
    gold: str
    base_output: str
    base_reason: str
    base_overlap: float | None
    adapted_output: str
    adapted_reason: str
    adapted_overlap: float | None
    paragraph: Paragraph | None


@dataclass(frozen=True)
class Group:
    """Rows of one kind: how many there are, and the first few."""

    title: str
    total: int
    rows: tuple[ComparedRow, ...]


@dataclass(frozen=True)
class Examples:
    """All kinds.

    Args:
        against: Which of the base's prompts they are compared with.
        right: What counts as right, in words.
        step: The step whose rows they are.
        groups: The kinds.
    """

    against: str
    right: str
    step: str
    groups: tuple[Group, ...]


def compare_rows(config: ReportConfig, metrics: Iterable[Input], chunks: Input | None) -> Examples:
    """Pair the rows of baseline and adapted by id and sort them into kinds.

    The base's answers are those of its variant with most right rows. Free text is rarely equal to
    what was expected: there a row is right if the evaluation found nothing wrong with it, and the
    rows that differ most are shown.

    Args:
        config: The settings.
        metrics: The evaluations.
        chunks: Where the paragraphs are of rows that do not hold theirs.

    Raises:
        DataError: A metrics artifact has no usable rows.
    """
    by_role = {role: (item, kind) for item in metrics for role, kind in [_role(item)]}
    if "baseline" not in by_role or "adapted" not in by_role:
        return Examples("", "", "", ())
    (baseline, _), (adapted, kind) = by_role["baseline"], by_role["adapted"]
    variant = _best_variant(baseline, config.split, kind)
    base = {
        row["id"]: row
        for row in _rows(baseline, _COLUMNS)
        if row["variant"] == variant and row["split"] == config.split
    }
    pairs: dict[str, list[_Pair]] = {"Won": [], "Lost": [], "Still wrong": []}
    counts = dict.fromkeys([*pairs, "Right before and after"], 0)
    for row in _rows(adapted, _ADAPTED_COLUMNS):
        before = base.get(row["id"])
        if before is None or row["split"] != config.split:
            continue
        title = _kind(_is_right(before, kind), _is_right(row, kind))
        counts[title] += 1
        if title in pairs:
            pairs[title].append((before, row))
    shown = {title: heapq.nsmallest(config.examples, p, key=_order) for title, p in pairs.items()}
    parents = {
        parent for few in shown.values() for _, row in few for parent in row.get("parents") or ()
    }
    texts = read_chunks(chunks, parents)
    groups = tuple(
        Group(
            title,
            total,
            tuple(
                _compared(before, row, texts, config.max_characters)
                for before, row in shown.get(title, ())
            ),
        )
        for title, total in counts.items()
    )
    names = _VARIANT_NAMES.get(kind, {})
    right = _WORDS_OF_RIGHT.get(kind, _WORDS_OF_RIGHT[_JSON_TASK])
    return Examples(names.get(variant, variant), right, adapted.step, groups)


_Pair = tuple[dict[str, Any], dict[str, Any]]


def _kind(before: bool, after: bool) -> str:
    if after:
        return "Right before and after" if before else "Won"
    return "Lost" if before else "Still wrong"


def _is_right(row: Mapping[str, Any], kind: str) -> bool:
    return bool(row["exact_match"]) if kind == _JSON_TASK else not row["failure"]


def _order(pair: _Pair) -> tuple[float, str]:
    """Put the largest difference first where it was measured; of equals, the smaller id."""
    before, after = (row.get("token_f1") or 0.0 for row in pair)
    return -abs(after - before), str(pair[1]["id"])


def _role(item: Input) -> tuple[str, str]:
    found = read_json(item.path / "metrics.json")
    if "role" not in found:
        raise DataError(f"metrics of step '{item.step}' cannot be read: they have no role")
    return str(found["role"]), str(found.get("scorer", {}).get("kind", _JSON_TASK))


def _rows(item: Input, columns: Sequence[str]) -> Iterable[dict[str, Any]]:
    try:
        yield from read_rows(item.path, columns)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"rows of step '{item.step}' cannot be read: {error}") from error


def _best_variant(item: Input, split: str, kind: str) -> str:
    right: dict[str, int] = {}
    for row in _rows(item, ("split", "variant", *_SCORES)):
        if row["split"] == split:
            right[row["variant"]] = right.get(row["variant"], 0) + _is_right(row, kind)
    return max(sorted(right), key=lambda name: right[name], default="plain")


def _compared(
    before: Mapping[str, Any], after: Mapping[str, Any], chunks: Mapping[str, Any], limit: int
) -> ComparedRow:
    return ComparedRow(
        id=after["id"],
        split=after["split"],
        prompt=cut(after["prompt"], limit),
        gold=cut(after["gold"], limit),
        base_output=cut(before["output"], limit),
        base_reason=before["reason"] or "",
        base_overlap=before.get("token_f1"),
        adapted_output=cut(after["output"], limit),
        adapted_reason=after["reason"] or "",
        adapted_overlap=after.get("token_f1"),
        paragraph=paragraph_of(after, chunks),
    )


def cut(text: str, limit: int) -> str:
    """Cut a long text in the middle: head 60 %, tail 40 %, and a mark that says how much."""
    if len(text) <= limit:
        return text
    head = int(limit * 0.6)
    tail = limit - head
    return f"{text[:head]}\n… {len(text) - limit} characters …\n{text[-tail:]}"
