"""Splits and groups: from fields, names and fractions, never through a group."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

from graftline_ingest.files import split_in_name


def lines(records: list[dict]) -> str:
    return "\n".join(json.dumps(record) for record in records)


def rows(count: int) -> list[dict]:
    return [
        {"prompt": f"p{i}", "completion": "c", "who": f"g{i % 40}", "n": i} for i in range(count)
    ]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.jsonl", "train"),
        ("data/test-00000-of-00001.parquet", "test"),
        ("PlayMusic/validate_PlayMusic.json", "validate"),
        ("val/x.csv", "val"),
        ("trains.csv", ""),
        ("evaluation_results.json", "evaluation"),
        ("a/b.json", ""),
        ("VALIDATION.json", "validation"),
    ],
)
def test_names_of_files_say_the_split(name, split):
    assert split_in_name(name) == split


def test_a_field_names_the_split(ingest, write):
    records = [
        {"prompt": name, "completion": "c", "part": name}
        for name in ("Train", "dev", "OOD", "special", "skip")
    ]
    done = ingest(write("a.jsonl", lines(records)), split={"field": "part", "names": {"skip": ""}})
    assert done.splits == ["train", "eval", "ood", "special"]
    assert done.result.rejected == {"split-left-out": 1}


def test_fractions_never_cut_a_group_and_do_not_depend_on_order(ingest, write):
    config = {"split": {"fractions": {"eval": 0.3, "ood": 0.2}}, "group_field": "who"}
    records = rows(400)
    done = ingest(write("a.jsonl", lines(records)), **config)
    splits = defaultdict(set)
    for row in done.examples:
        splits[row["group"]].add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    shares = [done.splits.count(name) / 400 for name in ("train", "eval", "ood")]
    assert shares[0] == pytest.approx(0.5, abs=0.2)
    assert min(shares) > 0.05
    again = ingest(write("b.jsonl", lines(records[::-1])), **config)
    assert {r["id"]: r["split"] for r in done.examples} == {
        r["id"]: r["split"] for r in again.examples
    }
    other = ingest(write("a.jsonl", lines(records)), seed=1, **config)
    assert [r["split"] for r in other.examples] != done.splits


def test_rows_with_one_prompt_stay_together(ingest, write):
    records = [{"prompt": f"p{i % 50}", "completion": f"c{i}"} for i in range(200)]
    done = ingest(write("a.jsonl", lines(records)), split={"fractions": {"eval": 0.5}})
    splits = defaultdict(set)
    for row in done.examples:
        splits[row["messages"][0]["content"]].add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert set(done.splits) == {"train", "eval"}


def test_ids_and_other_fields_are_kept_in_meta(ingest, write):
    records = [*rows(2), {"prompt": "p", "completion": "c"}]
    done = ingest(write("a.jsonl", lines(records)), id_field="n", meta_fields=["who", "none"])
    assert json.loads(done.examples[1]["meta"]) == {"row": 2, "source_id": 1, "who": "g1"}
    assert done.result.rejected == {"missing-field": 1}


def test_the_same_source_gives_the_same_bytes(ingest, write):
    source = write("a.jsonl", lines(rows(3000)))
    folders = [ingest(source, split={"fractions": {"eval": 0.1}}).run.outputs for _ in range(2)]
    for port in ("examples", "rejects"):
        first, second = (sorted(outputs[port].iterdir()) for outputs in folders)
        assert [f.name for f in first] == [f.name for f in second]
        assert [f.read_bytes() for f in first] == [f.read_bytes() for f in second]
