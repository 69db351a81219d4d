"""CSV, Parquet, Arrow and Hub sets give the same examples as JSON Lines."""

from __future__ import annotations

import datetime
import json
import math
import time

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from graftline.domain.rows import read_rows
from graftline.errors import ConfigError, DataError, TransientError
from graftline_ingest.reading.hub import HubSet, hub_feeds
from graftline_ingest.reading.tables import plain

ROWS = [{"prompt": f"p{i}", "completion": f"c{i}"} for i in range(50)]


def ids(done) -> list[str]:
    return [row["id"] for row in done.examples]


def test_all_formats_give_the_same_examples(ingest, tmp_path):
    table = pa.Table.from_pylist(ROWS)
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    (tmp_path / "a.json").write_text(json.dumps(ROWS, indent=1))
    (tmp_path / "a.csv").write_text(
        "prompt,completion\n" + "".join(f"{r['prompt']},{r['completion']}\n" for r in ROWS)
    )
    pq.write_table(table, tmp_path / "a.parquet")
    pyarrow.feather.write_feather(table, tmp_path / "a.arrow", compression="uncompressed")
    with (
        pa.OSFile(str(tmp_path / "stream.arrow"), "wb") as file,
        pa.ipc.new_stream(file, table.schema) as writer,
    ):
        writer.write_table(table)
    names = ["a.jsonl", "a.json", "a.csv", "a.parquet", "a.arrow", "stream.arrow"]
    found = [ids(ingest(tmp_path / name)) for name in names]
    assert all(one == found[0] for one in found)
    assert len(found[0]) == 50


def test_nested_messages_in_parquet_are_read(ingest, tmp_path):
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    pq.write_table(pa.Table.from_pylist([{"messages": messages}]), tmp_path / "a.parquet")
    (row,) = ingest(tmp_path / "a.parquet").examples
    assert [m["content"] for m in row["messages"]] == ["a", "b"]


def test_a_folder_saved_by_datasets_is_read(ingest, tmp_path):
    import datasets

    datasets.disable_progress_bars()
    made = {"train": datasets.Dataset.from_list(ROWS), "test": datasets.Dataset.from_list(ROWS[:5])}
    datasets.DatasetDict(made).save_to_disk(tmp_path / "saved")
    done = ingest(tmp_path / "saved")
    assert (done.splits.count("train"), done.splits.count("eval")) == (50, 5)


def test_a_hub_set_is_read_through_its_own_library(tmp_path, monkeypatch):
    import datasets

    from graftline.testkit.local import run_stage
    from graftline_ingest import feeds
    from graftline_ingest.descriptor import STAGE

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "hub"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "train.parquet")
    pq.write_table(pa.Table.from_pylist(ROWS[:5]), folder / "validation.parquet")
    asked = []

    def load(name, config, **more):
        # The real library, on a folder where the Hub would be.
        asked.append((name, config, more["revision"]))
        return datasets.load_dataset(str(folder), streaming=more["streaming"])

    monkeypatch.setattr(feeds, "hub_feeds", lambda wanted, config: hub_feeds(wanted, config, load))
    done = run_stage(
        STAGE,
        tmp_path / "work",
        config={"source": "hf://datasets/org/name@abc", "hub_config": "en"},
    )
    assert asked == [("org/name", "en", "abc")]
    rows = list(read_rows(done.outputs["examples"]))
    assert [row["split"] for row in rows].count("eval") == 5
    assert len(rows) == 55
    assert json.loads(rows[0]["meta"]) == {"file": "org/name:train", "row": 1}


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (RuntimeError("Dataset scripts are no longer supported"), DataError),
        (ValueError("Config name is missing"), ConfigError),
        (FileNotFoundError("no such set"), DataError),
        (ConnectionError("offline"), TransientError),
    ],
)
def test_the_hubs_errors_are_ours(raised, expected):
    def load(*_, **__):
        raise raised

    with pytest.raises(expected, match="org/name"):
        hub_feeds(HubSet("org/name", None), "", load)


def test_a_hub_that_falls_silent_is_worth_another_try():
    def rows():
        yield {"prompt": "a"}
        raise ConnectionError("gone")

    (feed,) = hub_feeds(HubSet("org/name", None), "", lambda *_, **__: {"train": rows()})
    records = feed.records()
    assert next(records) == (1, {"prompt": "a"})
    with pytest.raises(TransientError, match="stopped answering: gone"):
        next(records)


def test_hub_addresses():
    assert HubSet.parse("hf://datasets/a/b@main") == HubSet("a/b", "main")
    assert HubSet.parse("hf://squad") == HubSet("squad", None)
    with pytest.raises(ConfigError, match="hf://datasets/org/name@revision"):
        HubSet.parse("hf://a/b/c/d")


@pytest.mark.parametrize(("name", "told"), [("a.parquet", "Parquet"), ("a.arrow", "Arrow")])
def test_broken_tables_are_told(ingest, write, name, told):
    with pytest.raises(DataError, match=f"{name}: no readable {told} file"):
        ingest(write(name, b"PAR1 this is no table at all"))


def test_csv_mistakes(ingest, write):
    with pytest.raises(DataError, match="columns named twice: 'a'"):
        ingest(write("a.csv", "a,a\n1,2\n"))
    with pytest.raises(DataError, match=r"b.csv: byte .* is not UTF-8"):
        ingest(write("b.csv", "prompt,completion\ncaf\xe9,b\n".encode("latin-1")))
    done = ingest(write("c.csv", 'prompt,completion\na,b\n"c"d,e\nf,g\n'), max_malformed_share=0.5)
    assert len(done.examples) == 2
    assert done.result.rejected == {"malformed-row": 1}
    with pytest.raises(DataError, match="unexpected end of data"):
        ingest(write("d.csv", 'prompt,completion\n"a,b\nc,d\n'))


def test_a_wide_header_takes_no_quadratic_time(ingest, write):
    names = ["prompt", "completion", *(f"column {n}" for n in range(20_000))]
    source = write("a.csv", f"{','.join(names)}\n{','.join('x' for _ in names)}\n")
    before = time.process_time()
    assert len(ingest(source).examples) == 1
    assert time.process_time() - before < 2


def arrow_file(table, path):
    pyarrow.feather.write_feather(table, path, compression="uncompressed")


@pytest.mark.parametrize("write_table", [pq.write_table, arrow_file])
def test_a_table_that_says_one_text_again_and_again_is_a_bomb(ingest, tmp_path, write_table):
    text = pa.array(["x" * 200_000] * 4000).dictionary_encode()
    path = tmp_path / ("a.parquet" if write_table is pq.write_table else "a.arrow")
    write_table(pa.table({"prompt": text, "completion": text}), path)
    with pytest.raises(DataError, match=f"{path.name}: .* taken for a decompression bomb"):
        ingest(path, max_expansion=2)


def test_a_parquet_file_of_many_nulls_is_not_read(ingest, tmp_path):
    pq.write_table(pa.table({"prompt": pa.nulls(300_000_000)}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 1 << 20
    before = time.process_time()
    with pytest.raises(DataError, match="taken for a decompression bomb"):
        ingest(tmp_path / "a.parquet", max_expansion=2)
    assert time.process_time() - before < 2


def test_a_table_may_well_repeat_its_texts(ingest, tmp_path):
    tools = json.dumps([{"name": "f", "description": "x" * 100_000}])
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    rows = [{"messages": messages, "tools": tools}] * 1000
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 10_000
    assert len(ingest(tmp_path / "a.parquet").examples) == 1000


@pytest.mark.parametrize("write_table", [pq.write_table, arrow_file])
def test_a_row_of_a_table_that_is_too_large_is_a_reject(ingest, tmp_path, write_table):
    rows = [{"prompt": "a", "completion": "b"}, {"prompt": "x" * (2 << 20), "completion": "b"}]
    path = tmp_path / ("a.parquet" if write_table is pq.write_table else "a.arrow")
    write_table(pa.Table.from_pylist([*rows, rows[0]]), path)
    done = ingest(path, max_row_mb=1, max_malformed_share=0.5)
    assert len(done.examples) == 2
    assert done.result.rejected == {"malformed-row": 1}
    assert done.rejects[0]["detail"] == (
        f"{path.name}, row 2: the row is larger than 1 MiB (max_row_mb)"
    )


def test_values_that_python_cannot_hold_cost_their_rows_alone(ingest, tmp_path):
    texts = ["p"] * 3
    days = pa.array([1, 2**31 - 1, 3], pa.date32())
    no_utf8 = pa.array([b"x", b"y", b"\xff"]).view(pa.string())
    table = pa.table({"prompt": texts, "completion": texts, "day": days, "note": no_utf8})
    pq.write_table(table, tmp_path / "a.parquet")
    done = ingest(tmp_path / "a.parquet", max_malformed_share=0.7)
    assert len(done.examples) == 1
    assert [row["detail"].partition(": ")[0] for row in done.rejects] == [
        "a.parquet, row 2",
        "a.parquet, row 3",
    ]


def test_values_that_json_has_not_become_plain():
    day = datetime.date(2024, 2, 29)
    assert plain({"a": math.nan, "b": day, "c": [b"x", (1, None)]}) == {
        "a": None,
        "b": "2024-02-29",
        "c": ["x", [1, None]],
    }
