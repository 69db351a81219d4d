import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftline.domain.examples import example, example_id, message
from graftline.domain.rows import (
    BATCH_BYTES,
    EXAMPLES,
    REJECTS,
    RowWriter,
    count_rows,
    read_batches,
    read_rows,
)


def row(number):
    return example(
        messages=[message("user", f"q{number}"), message("assistant", f"a{number}")],
        split="train",
        group=f"g{number}",
        task="t",
        meta={"n": number},
    )


def digest(folder):
    return hashlib.sha256(b"".join(p.read_bytes() for p in sorted(folder.iterdir()))).hexdigest()


@settings(max_examples=10, deadline=None)
@given(count=st.integers(0, 300))
def test_rows_come_back_as_they_were(tmp_path_factory, count):
    folder = tmp_path_factory.mktemp("rows")
    rows = [row(number) for number in range(count)]
    with RowWriter(folder, EXAMPLES) as writer:
        for item in rows:
            writer.write(item)
    assert writer.rows == count_rows(folder) == count
    assert list(read_rows(folder)) == rows


def test_the_same_rows_give_the_same_bytes(tmp_path):
    digests = set()
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        with RowWriter(folder, EXAMPLES) as writer:
            for number in range(100):
                writer.write(row(number))
        digests.add(digest(folder))
    assert len(digests) == 1


def test_large_data_is_cut_into_shards(tmp_path):
    schema = pa.schema([("x", pa.string())])
    with RowWriter(tmp_path, schema, shard_bytes=100_000) as writer:
        for _ in range(5):
            batch = pa.RecordBatch.from_pylist([{"x": "y" * 100}] * 8192, schema=schema)
            writer.write_batch(batch)
    assert len(list(tmp_path.iterdir())) == 5
    assert sum(batch.num_rows for batch in read_batches(tmp_path)) == 5 * 8192


def group_rows(folder):
    files = [pq.read_metadata(path) for path in sorted(folder.iterdir())]
    return [file.row_group(n).num_rows for file in files for n in range(file.num_row_groups)]


def test_small_rows_go_by_their_number(tmp_path):
    with RowWriter(tmp_path, EXAMPLES) as writer:
        for number in range(20_000):
            writer.write(row(number))
    assert group_rows(tmp_path) == [8192, 8192, 3616]
    assert [batch.num_rows for batch in read_batches(tmp_path)] == [4096] * 4 + [3616]


def reject(number, text):
    return {"id": str(number), "reason": "r", "detail": "d", "split": None, "row": text}


@pytest.mark.parametrize("distinct", [True, False])
def test_large_rows_go_by_their_size(tmp_path, distinct):
    """Rows of 400 kB: also where all are alike, and take no space in the file."""
    with RowWriter(tmp_path, REJECTS) as writer:
        for number in range(150):
            writer.write(reject(number, f"{number if distinct else 'same'} " + "x" * 400_000))
    assert set(group_rows(tmp_path)[:-1]) == {42}
    batches = list(read_batches(tmp_path))
    assert sum(batch.num_rows for batch in batches) == 150
    assert max(batch.nbytes for batch in batches) < 1.1 * BATCH_BYTES
    assert [row["id"] for row in read_rows(tmp_path)] == [str(number) for number in range(150)]


def test_large_rows_of_other_writers_are_read_in_small_batches(tmp_path):
    table = pa.Table.from_pylist([reject(n, f"{n}" * 300_000) for n in range(100)], REJECTS)
    pq.write_table(table, tmp_path / "one.parquet", use_dictionary=False)
    batches = list(read_batches(tmp_path))
    assert max(batch.nbytes for batch in batches) < 1.1 * BATCH_BYTES
    assert pa.Table.from_batches(batches).equals(table)


def test_an_id_depends_on_what_is_said_alone():
    one = [message("user", "q"), message("assistant", "a")]
    assert example_id(one) == example_id([{"role": "user", "content": "q"}, one[1]])
    assert example_id(one) != example_id(one, tools=[{"type": "function"}])
    assert row(1)["id"] == row(1)["id"] != row(2)["id"]
