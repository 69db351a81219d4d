"""The adapted role's rows beside the baseline's, if both mean the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline.errors import DataError
from graftline_evaluate.dataset import name_some
from graftline_evaluate.row_files import read_baseline

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from graftline_evaluate.summary import Summariser

PLAIN = "plain"
"""The variant with the training prompt, which both roles have."""


def compare_with_baseline(
    folder: Path,
    summariser: Summariser,
    metrics: dict[str, Any],
    adapted: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Compare the adapted role with a baseline, split by split.

    Args:
        folder: The baseline's metrics artifact.
        summariser: Of the adapted role.
        metrics: The adapted role's metrics.json, as far as it is made.
        adapted: The adapted role's rows with the training prompt.

    Returns:
        {split: {metric: …}} as `Summariser.compare` gives it.

    Raises:
        DataError: The baseline was made of other rows, another model, or with other settings.
    """
    base_metrics, base_rows = read_baseline(folder)
    for name in ("model", "decoding", "scorer"):
        if base_metrics.get(name) != metrics[name]:
            raise DataError(
                f"baseline: its {name} is not the adapted step's: "
                f"{base_metrics.get(name)} and {metrics[name]}",
                "give both steps the same settings",
            )
    by_variant: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for row in base_rows:
        by_variant.setdefault(row["variant"], {})[row["split"], row["id"]] = row
    wanted = {(row["split"], row["id"]): row["gold"] for row in adapted}
    for variant, found in by_variant.items():
        there = {key: row["gold"] for key, row in found.items()}
        if there != wanted:
            other = sorted(f"{name} ({split})" for split, name in there.keys() ^ wanted.keys())
            what = name_some(other) or "gold answers differ"
            raise DataError(
                f"baseline: its variant '{variant}' has other rows: {what}",
                "give both steps the same examples, splits and max_rows",
            )
    names = sorted(by_variant, key=lambda name: (name != PLAIN, name))
    return {
        split: summariser.compare(
            {
                name: [by_variant[name][split, row["id"]] for row in rows_of(adapted, split)]
                for name in names
            },
            rows_of(adapted, split),
        )
        for split in metrics["rows"]
    }


def rows_of(rows: Sequence[dict[str, Any]], split: str) -> list[dict[str, Any]]:
    """Give the rows of one split."""
    return [row for row in rows if row["split"] == split]
