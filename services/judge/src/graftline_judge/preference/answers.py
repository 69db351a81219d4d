"""Two evaluations' answers to the same questions, brought together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from graftline.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from graftline_judge.sources import Sources

_NEEDED = ("id", "split", "variant", "prompt", "gold", "output")
# Where a row comes from; an evaluation of labelled data has none.
_MORE = ("parents", "meta")
_ADAPTED_VARIANT = "plain"
_IDS_SHOWN = 3


@dataclass(frozen=True)
class Contest:
    """One question and its two answers.

    Args:
        id: The row's id.
        split: Its split.
        question: What both models were asked.
        reference: The answer that is known to be good; empty if there is none.
        source: The text that question and reference came from; empty if it is not known.
        baseline: The baseline's answer.
        adapted: The adapted model's answer.
    """

    id: str
    split: str
    question: str
    reference: str
    source: str
    baseline: str
    adapted: str

    @property
    def same(self) -> bool:
        """Whether both say the same, but for white space around it."""
        return self.baseline.strip() == self.adapted.strip()


def read_contests(folders: Sequence[Path], variant: str, sources: Sources) -> list[Contest]:
    """Read the rows of two evaluations, the baseline's first; the order is the adapted model's.

    They are held in memory, as the evaluations hold them.

    Args:
        folders: Two `metrics` artifacts of evaluate steps.
        variant: The baseline's variant.
        sources: Where sources are that the rows do not hold themselves.

    Raises:
        ConfigError: They stand in the wrong order, or the baseline has no such variant.
        DataError: They are no evaluations, or not of the same rows.
    """
    baseline, adapted = folders
    if _role(adapted) == "baseline" and _role(baseline) != "baseline":
        raise ConfigError(
            "the input 'answers' holds the adapted model's evaluation first",
            "connect the baseline's first",
        )
    before_rows = _rows(baseline, variant, "the baseline's evaluation")
    before = {row["id"]: row for row in before_rows}
    after = _rows(adapted, _ADAPTED_VARIANT, "the adapted model's evaluation")
    differing = before.keys() ^ {row["id"] for row in after}
    if differing or len(before_rows) != len(after):
        shown = ", ".join(sorted(differing)[:_IDS_SHOWN])
        raise DataError(
            f"the two evaluations are not of the same rows: {len(before_rows):,} and"
            f" {len(after):,}, {len(differing):,} in one of them alone ({shown})",
            "evaluate both on the same examples, with the same splits and max_rows",
        )
    return [_contest(before[row["id"]], row, sources) for row in after]


def _contest(before: Mapping[str, Any], row: Mapping[str, Any], sources: Sources) -> Contest:
    source = json.loads(row.get("meta") or "{}").get("source_text")
    if not isinstance(source, str) or not source.strip():
        source = sources.text_of(row.get("parents") or [])
    return Contest(
        id=row["id"],
        split=row["split"],
        question=row["prompt"],
        reference=row["gold"],
        source=source,
        baseline=before["output"],
        adapted=row["output"],
    )


def _rows(folder: Path, variant: str, whose: str) -> list[dict[str, Any]]:
    try:
        with pq.ParquetFile(folder / "rows.parquet") as file:
            names = file.schema_arrow.names
            missing = [name for name in _NEEDED if name not in names]
            if missing:
                raise DataError(f"{whose} holds other rows: it lacks {', '.join(missing)}")
            wanted = [name for name in (*_NEEDED, *_MORE) if name in names]
            rows: list[dict[str, Any]] = file.read(wanted, use_threads=False).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{whose} has no readable rows.parquet: {error}") from error
    found = [row for row in rows if row["variant"] == variant]
    if not found:
        there = ", ".join(sorted({row["variant"] for row in rows})) or "none"
        raise ConfigError(f"{whose} has no rows of the variant '{variant}'", f"there are: {there}")
    return found


def _role(folder: Path) -> str:
    try:
        return str(json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["role"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder.name}: no metrics of an evaluate step: {error}") from error
