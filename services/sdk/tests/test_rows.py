import hashlib

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from graftline.domain.examples import example, example_id, message
from graftline.domain.rows import EXAMPLES, RowWriter, count_rows, read_batches, read_rows


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


def test_an_id_depends_on_what_is_said_alone():
    one = [message("user", "q"), message("assistant", "a")]
    assert example_id(one) == example_id([{"role": "user", "content": "q"}, one[1]])
    assert example_id(one) != example_id(one, tools=[{"type": "function"}])
    assert row(1)["id"] == row(1)["id"] != row(2)["id"]
