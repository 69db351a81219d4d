"""The adapted role's rows beside the baseline's, if both mean the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline.errors import DataError
from graftline_evaluate.dataset import name_some
from graftline_evaluate.forgetting import read_probe
from graftline_evaluate.row_files import read_baseline

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from graftline_evaluate.summary import Summariser

PLAIN = "plain"
"""The variant with the training prompt, which both roles have."""

_ALIKE = ("model", "decoding", "scorer", "forgetting")


class Baseline:
    """A baseline that an adapted role can be compared with.

    Args:
        folder: The baseline's metrics artifact.
        metrics: The adapted role's metrics.json, as far as it is made.

    Raises:
        DataError: The baseline was made of another model, or with other settings.
    """

    def __init__(self, folder: Path, metrics: dict[str, Any]) -> None:
        """Read the baseline."""
        self._folder = folder
        self._splits = list(metrics["rows"])
        found, self._rows = read_baseline(folder)
        for name in _ALIKE:
            if found.get(name) != metrics.get(name):
                raise DataError(
                    f"baseline: its {name} is not the adapted step's: "
                    f"{found.get(name)} and {metrics.get(name)}",
                    "give both steps the same settings",
                )

    def compare(
        self, summariser: Summariser, adapted: Sequence[dict[str, Any]]
    ) -> dict[str, dict[str, Any]]:
        """Compare the adapted role, split by split.

        Args:
            summariser: Of the adapted role.
            adapted: The adapted role's rows with the training prompt.

        Returns:
            {split: {metric: …}} as `Summariser.compare` gives it.

        Raises:
            DataError: The baseline was made of other rows.
        """
        by_variant: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
        for row in self._rows:
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
            for split in self._splits
        }

    def compare_probe(
        self, summariser: Summariser, adapted: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        """Compare the forgetting probe; both roles read the same texts, as their digests say.

        Raises:
            DataError: The baseline's rows of it cannot be read.
        """
        return summariser.compare({PLAIN: read_probe(self._folder)}, adapted)


def rows_of(rows: Sequence[dict[str, Any]], split: str) -> list[dict[str, Any]]:
    """Give the rows of one split."""
    return [row for row in rows if row["split"] == split]
