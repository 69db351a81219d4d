"""Rows in units of 64: the smallest piece of work of a stage that asks a language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline.domain.rows import read_batches
from graftline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

UNIT_ROWS = 64


def unit_count(rows: int) -> int:
    """Give the number of units of so many rows."""
    return -(-rows // UNIT_ROWS)


def unit_size(unit: int, rows: int) -> int:
    """Give the rows of one unit."""
    return min(UNIT_ROWS, rows - unit * UNIT_ROWS)


def read_units(
    folders: Sequence[Path], schema: pa.Schema, wanted: Sequence[int]
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Stream the wanted units (in order) and their rows; of the others nothing is made.

    Units are counted through all files of all folders, however the rows are cut into them.

    Args:
        folders: Artifacts with rows.
        schema: What they must hold; further columns are left out.
        wanted: Numbers of units, rising.

    Raises:
        DataError: A folder lacks a column.
    """
    waiting = iter(wanted)
    unit = next(waiting, None)
    rows: list[dict[str, Any]] = []
    first = 0
    for folder in folders:
        for batch in read_batches(folder, batch_rows=UNIT_ROWS):
            check_columns(folder, batch.schema.names, schema)
            last = first + batch.num_rows
            while unit is not None and unit * UNIT_ROWS < last:
                begin = max(unit * UNIT_ROWS - first, 0)
                part = batch.slice(begin, (unit + 1) * UNIT_ROWS - first - begin)
                rows += part.select(schema.names).to_pylist()
                if (unit + 1) * UNIT_ROWS > last:
                    break  # it goes on in the next batch
                yield unit, rows
                unit, rows = next(waiting, None), []
            first = last
    if unit is not None and rows:
        yield unit, rows


def check_columns(folder: Path, names: Sequence[str], schema: pa.Schema) -> None:
    """Refuse rows of another kind.

    Raises:
        DataError: A column of the schema is not there.
    """
    missing = [name for name in schema.names if name not in names]
    if missing:
        raise DataError(f"input '{folder.name}' holds other rows: it lacks {', '.join(missing)}")
