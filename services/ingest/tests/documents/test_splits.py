"""Splits of documents: by folder, by fraction, never two for one document."""

from __future__ import annotations

import pytest

from graftline_ingest.documents.kinds import archive_kind, suffix_of


def many(count: int) -> dict[str, str]:
    return {f"d{n}.md": f"# Document {n}\n\nSome text." for n in range(count)}


def test_folders_at_the_top_say_the_split(read, folder, make_zip):
    source = folder(
        {
            "train/a.md": "a",
            "Test/b.md": "b",
            "guide/test/c.md": "c",
            "test_results.md": "d",
            "skip/e.md": "e",
            "z.zip": make_zip({"eval/f.md": "f"}),
        }
    )
    done = read(source, split={"names": {"skip": ""}})
    assert done.splits == {
        "train/a.md": "train",
        "Test/b.md": "eval",
        "guide/test/c.md": "train",
        "test_results.md": "train",
        "z.zip/eval/f.md": "eval",
    }
    assert done.reasons == {"skip/e.md": "split-left-out"}


def test_fractions_depend_on_seed_and_text_alone(read, folder):
    source = folder(many(80))
    split = {"fractions": {"eval": 0.25, "ood": 0.1}}
    done = read(source, split=split)
    shares = [list(done.splits.values()).count(name) for name in ("train", "eval", "ood")]
    assert sum(shares) == 80
    assert 35 <= shares[0] <= 70
    assert min(shares) >= 2
    by_id = {row["id"]: row["split"] for row in done.rows}
    for path in source.iterdir():
        path.rename(path.with_name(f"x-{path.name}"))
    again = read(source, split=split)
    assert {row["id"]: row["split"] for row in again.rows} == by_id
    assert {row["id"]: row["split"] for row in read(source, split=split, seed=1).rows} != by_id
    assert all(row["group"] == row["id"] for row in done.rows)


@pytest.mark.parametrize("count", [2, 3, 6])
def test_a_small_set_still_has_what_is_asked_for(read, folder, count):
    done = read(folder(many(count)), split={"fractions": {"eval": 0.01}})
    assert sorted(done.splits.values()) == ["eval", *["train"] * (count - 1)]
    assert done.result.figures["rows_eval"] == 1
    assert "no document fell to 'eval'" in done.run.events.lines[0][1]
    again = read(folder(many(count)), split={"fractions": {"eval": 0.01}})
    assert again.splits == done.splits


def test_one_document_is_not_taken_from_train(read, folder):
    done = read(folder(many(1)), split={"fractions": {"eval": 0.01}})
    assert list(done.splits.values()) == ["train"]


def test_the_same_files_give_the_same_bytes(read, folder):
    source = folder({**many(30), "x.png": b"?", "d.html": "<h1>x</h1>"})
    runs = [read(source, split={"fractions": {"eval": 0.2}}).run.outputs for _ in range(2)]
    for port in ("documents", "rejects"):
        first, second = (sorted(outputs[port].iterdir()) for outputs in runs)
        assert [f.name for f in first] == [f.name for f in second]
        assert [f.read_bytes() for f in first] == [f.read_bytes() for f in second]


def test_a_real_folder(read, real_data):
    source = real_data / "a-docs-httpx"
    done = read(source, include=["*.md"], split={"fractions": {"eval": 0.2}})
    assert len(done.rows) == 23
    for path, row in done.documents.items():
        assert row["text"] == (source / path).read_bytes().decode()
    assert {"train", "eval"} == set(done.splits.values())
    kinds = {block.kind for path in done.documents for block in done.blocks(path)}
    assert {"heading", "paragraph", "list", "code", "quote"} <= kinds


@pytest.mark.parametrize(
    ("name", "suffix", "archive"),
    [
        ("a/b.MD", ".md", ""),
        ("a.b/c", "", ""),
        (".hidden", "", ""),
        ("x.tar.gz", ".gz", "tar.gz"),
        ("x.TGZ", ".tgz", "tar.gz"),
        ("x.md.gz", ".gz", "gz"),
        ("x.zip", ".zip", "zip"),
        ("zip", "", ""),
    ],
)
def test_names(name, suffix, archive):
    assert suffix_of(name) == suffix
    assert archive_kind(name) == archive
