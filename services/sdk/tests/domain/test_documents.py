"""Documents and chunks as rows: ids, blocks, headings, streams."""

from __future__ import annotations

import subprocess
import sys

import pytest

from graftline.domain.documents import (
    CHUNKS,
    DOCUMENTS,
    Block,
    blocks_problem,
    chunk_id,
    document_batch,
    document_id,
    document_row,
    heading_text,
    read_documents,
)
from graftline.domain.rows import RowWriter


def make(text: str, path: str = "a.md", split: str = "train") -> dict:
    return document_row(
        text=text,
        blocks=[Block("paragraph", 0, 0, len(text))],
        split=split,
        path=path,
        media_type="text/markdown",
        sha256="0" * 64,
        meta={"b": 1, "a": "é"},
    )


def test_a_document_goes_through_parquet_as_it_is(tmp_path):
    rows = [make("Grüße, 世界 😀\r\n", path="x/ä.md"), make("b" * 100_000, split="eval")]
    with RowWriter(tmp_path, DOCUMENTS) as writer:
        for row in rows:
            writer.write_batch(document_batch(row))
    assert list(read_documents(tmp_path)) == rows
    assert [row["split"] for row in read_documents(tmp_path, ["split"])] == ["train", "eval"]
    assert rows[0]["meta"] == '{"a":"é","b":1}'


def test_ids_are_of_content_alone():
    assert make("one", path="a.md")["id"] == make("one", path="b.txt", split="eval")["id"]
    assert make("one")["id"] == make("one")["group"] == document_id("one")
    assert make("one")["id"] != make("two")["id"]
    ids = {chunk_id("d", 0, 5), chunk_id("d", 0, 6), chunk_id("d", 1, 5), chunk_id("e", 0, 5)}
    assert len(ids) == 4
    assert all(len(identity) == 32 for identity in ids)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("# Title", "Title"),
        ("  ### `code` and *more* ###  ", "`code` and *more*"),
        ("## C#", "C#"),
        ("##", ""),
        ("Setext\n======", "Setext"),
        ("Two\n  lines\n---", "Two lines"),
        ("plain", "plain"),
        ("#hashtag", "#hashtag"),
        ("# a\u2028b", "a\u2028b"),
        ("# # #", "#"),
        ("Two\r\nlines\r\n===", "Two lines"),
        ("# " + " " * 300_000 + "x", "x"),
        ("# x" + " #" * 100_000, "x" + " #" * 99_999),
        ("", ""),
    ],
)
def test_a_heading_without_its_marks(raw, words):
    assert heading_text(raw) == words


@pytest.mark.parametrize(
    ("blocks", "problem"),
    [
        ([Block("heading", 1, 0, 3), Block("paragraph", 0, 5, 9)], ""),
        ([Block("page", 1, 0, 0), Block("paragraph", 0, 0, 9)], ""),
        ([Block("heading", 1, 0, 3)], "from 3 on"),
        ([Block("paragraph", 0, 5, 9)], "from 0"),
        ([Block("paragraph", 0, 0, 6), Block("list", 1, 5, 9)], "overlapping"),
        ([Block("paragraph", 0, 0, 10)], "beyond 9"),
        ([Block("sidebar", 0, 0, 9)], "no such kind"),
        ([Block("page", 1, 0, 9)], "must be empty"),
    ],
)
def test_what_blocks_must_be(blocks, problem):
    found = blocks_problem("# A\n\nbody", blocks)
    assert problem in found
    assert bool(found) == bool(problem)


def test_spans_of_chunks_are_those_of_examples():
    assert CHUNKS.field("source").type.field("document").type == DOCUMENTS.field("id").type


def test_blocks_are_light():
    code = "import sys, graftline.domain.blocks\nassert 'pyarrow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
