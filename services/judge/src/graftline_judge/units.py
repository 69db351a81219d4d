"""64 rows at a time, through all inputs: read in order, and kept as files once they are judged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json
from graftline.domain.rows import EXAMPLES, RowWriter, read_batches
from graftline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

UNIT_ROWS = 64


def unit_count(rows: int) -> int:
    """Give the number of units of so many rows."""
    return -(-rows // UNIT_ROWS)


def unit_size(unit: int, rows: int) -> int:
    """Give the rows of one unit."""
    return min(UNIT_ROWS, rows - unit * UNIT_ROWS)


@dataclass(frozen=True)
class UnitRows:
    """A unit's number and its rows."""

    number: int
    rows: list[dict[str, Any]]


def read_units(folders: Sequence[Path], wanted: Sequence[int]) -> Iterator[UnitRows]:
    """Stream the rows of the wanted units (in order); of the others nothing is made.

    Units are counted through all files of all folders, however the rows are cut into them.

    Raises:
        DataError: A folder holds no examples.
    """
    waiting = iter(wanted)
    unit = next(waiting, None)
    rows: list[dict[str, Any]] = []
    first = 0
    for folder in folders:
        for batch in read_batches(folder, batch_rows=UNIT_ROWS):
            _check_columns(batch.schema.names, folder)
            last = first + batch.num_rows
            while unit is not None and unit * UNIT_ROWS < last:
                begin = max(unit * UNIT_ROWS - first, 0)
                part = batch.slice(begin, (unit + 1) * UNIT_ROWS - first - begin)
                rows += part.select(EXAMPLES.names).to_pylist()
                if (unit + 1) * UNIT_ROWS > last:
                    break  # it goes on in the next batch
                yield UnitRows(unit, rows)
                unit, rows = next(waiting, None), []
            first = last
    if unit is not None and rows:
        yield UnitRows(unit, rows)


def _check_columns(names: list[str], folder: Path) -> None:
    missing = [name for name in EXAMPLES.names if name not in names]
    if missing:
        raise DataError(f"input '{folder.name}' holds no examples: it lacks {', '.join(missing)}")


def write_unit(folder: Path, rows: list[dict[str, Any]], cost: dict[str, float | None]) -> None:
    """Write a judged unit, and what was spent since the one before it, into an empty folder."""
    with RowWriter(folder, EXAMPLES) as writer:
        for row in rows:
            writer.write(row)
    (folder / "cost.json").write_text(canonical_json(cost), encoding="utf-8")


def sum_costs(folders: Sequence[Path]) -> dict[str, float | None]:
    """Add the units' costs up; what one unit does not know, the sum does not."""
    total: dict[str, float | None] = {}
    for folder in folders:
        for name, value in json.loads((folder / "cost.json").read_text(encoding="utf-8")).items():
            before = total.get(name, 0)
            total[name] = None if before is None or value is None else before + value
    return total
