"""Units do not depend on how rows are cut into files, nor on which of them are wanted."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftline.domain.units import UNIT_ROWS, read_units, unit_count, unit_size

SCHEMA = pa.schema([("n", pa.int64())])


def write(folder, cuts):
    """Write the numbers 0, 1, … in files of so many rows each, and give how many there are."""
    folder.mkdir(parents=True)
    at = 0
    for part, rows in enumerate(cuts):
        table = pa.table({"n": pa.array(range(at, at + rows), pa.int64())})
        pq.write_table(table, folder / f"part-{part:05d}.parquet")
        at += rows
    return at


@settings(deadline=None)
@given(
    cuts=st.lists(st.integers(0, 150), min_size=1, max_size=5),
    ranks=st.integers(1, 3),
    skipped=st.sets(st.integers(0, 12)),
)
def test_every_row_is_in_exactly_one_unit(tmp_path_factory, cuts, ranks, skipped):
    folder = tmp_path_factory.mktemp("units") / "in"
    rows = write(folder, cuts)
    count = unit_count(rows)
    found = {}
    for rank in range(ranks):
        wanted = [unit for unit in range(rank, count, ranks) if unit not in skipped]
        units = list(read_units([folder], SCHEMA, wanted))
        assert [unit for unit, _ in units] == wanted
        found |= dict(units)
    for unit in set(range(count)) - skipped:
        numbers = [row["n"] for row in found[unit]]
        assert numbers == list(range(unit * UNIT_ROWS, unit * UNIT_ROWS + unit_size(unit, rows)))


@pytest.mark.parametrize(("rows", "units"), [(0, 0), (1, 1), (64, 1), (65, 2), (128, 2)])
def test_counts(rows, units):
    assert unit_count(rows) == units
    assert sum(unit_size(unit, rows) for unit in range(units)) == rows
