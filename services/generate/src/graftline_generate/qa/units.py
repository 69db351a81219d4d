"""64 chunks at a time: read in order, and kept as files once they are done."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json
from graftline.domain.rows import EXAMPLES, REJECTS, RowWriter, read_batches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNIT_ROWS = 64


def unit_count(rows: int) -> int:
    """Give the number of units of so many rows."""
    return -(-rows // UNIT_ROWS)


def unit_size(unit: int, rows: int) -> int:
    """Give the rows of one unit."""
    return min(UNIT_ROWS, rows - unit * UNIT_ROWS)


def read_units(folder: Path, wanted: list[int]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Stream the rows of the wanted units (in order); of the others nothing is made.

    Units are counted through all of an artifact's files, however it is cut into them.
    """
    waiting = iter(wanted)
    unit = next(waiting, None)
    rows: list[dict[str, Any]] = []
    first = 0
    for batch in read_batches(folder, batch_rows=UNIT_ROWS):
        while unit is not None and unit * UNIT_ROWS < first + batch.num_rows:
            begin = max(unit * UNIT_ROWS - first, 0)
            part = batch.slice(begin, (unit + 1) * UNIT_ROWS - first - begin)
            rows += part.to_pylist()
            if (unit + 1) * UNIT_ROWS > first + batch.num_rows:
                break  # it goes on in the next batch
            yield unit, rows
            unit, rows = next(waiting, None), []
        first += batch.num_rows
    if unit is not None and rows:
        yield unit, rows


@dataclass
class UnitOutcome:
    """What came of a unit.

    Args:
        examples: Rows of EXAMPLES, duplicates among them.
        rejects: Rows of REJECTS.
        counts: Chunks, pairs and so on, by name.
        cost: What was spent since the unit before it; unknown is None.
    """

    examples: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    cost: dict[str, float | None] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write it into an empty folder."""
        for name, rows, schema in (
            ("examples", self.examples, EXAMPLES),
            ("rejects", self.rejects, REJECTS),
        ):
            (folder / name).mkdir()
            with RowWriter(folder / name, schema) as writer:
                for row in rows:
                    writer.write(row)
        said = {"counts": dict(self.counts), "cost": self.cost}
        (folder / "unit.json").write_text(canonical_json(said), encoding="utf-8")


def read_counts(folder: Path) -> tuple[Counter[str], dict[str, float | None]]:
    """Read a unit's counts and its cost."""
    said = json.loads((folder / "unit.json").read_text(encoding="utf-8"))
    return Counter(said["counts"]), said["cost"]
