"""JSON Lines: what is wrong is said with file, line and column, and above a share it is fatal."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.errors import DataError
from graftline_ingest.reading.lines import read_json_lines
from graftline_ingest.reading.records import Malformed
from graftline_ingest.reading.text import utf8_lines


def line(text: str) -> str:
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": "fine"}]
    return json.dumps({"messages": messages}, ensure_ascii=False)


def test_a_malformed_line_becomes_a_reject_with_its_place(ingest, write):
    lines = [line(f"hello {i}") for i in range(30)]
    lines[16] = '{"messages": [,]}'
    done = ingest(write("orders.jsonl", "\n".join(lines)))
    (reject,) = done.rejects
    assert reject["reason"] == "malformed-json"
    assert reject["detail"].startswith("orders.jsonl, line 17, column 15: ")
    assert reject["row"] == '{"messages": [,]}'
    assert len(done.examples) == 29


@pytest.mark.parametrize(
    ("bad", "reason", "column"),
    [
        (b'{"a": NaN}', "malformed-json", 7),
        (b'{"a": 1', "malformed-json", 8),
        (b'{"a": 1} x', "malformed-json", 10),
        ('{"\u00e9\u00e9": }'.encode(), "malformed-json", 8),
        (b'{"a": "caf\xe9"}', "wrong-encoding", 11),
        (b'{"a": "\\ud800"}', "malformed-json", 0),
        (b"[" * 5000, "malformed-json", 0),
    ],
)
def test_every_kind_of_bad_line_has_reason_and_column(bad, reason, column):
    ((number, item),) = read_json_lines(iter([bad]), 1 << 20)
    assert number == 1
    assert isinstance(item, Malformed)
    assert (item.reason, item.column) == (reason, column)


def test_more_malformed_lines_than_allowed_are_fatal_with_numbers(ingest, write):
    lines = [line(str(i)) for i in range(18)] + ["{", "{"]
    source = write("orders.jsonl", "\n".join(lines))
    with pytest.raises(DataError, match=r"2 of 20 rows \(10.0%\).*0.05.*orders.jsonl, line 19"):
        ingest(source)
    assert len(ingest(source, max_malformed_share=0.1).rejects) == 2


def test_a_long_line_is_skipped_without_being_read_whole(ingest, write):
    lines = [line("a"), line("x" * (2 << 20)), line("b")]
    done = ingest(write("a.jsonl", "\n".join(lines)), max_row_mb=1, max_malformed_share=0.5)
    assert [row["messages"][0]["content"] for row in done.examples] == ["a", "b"]
    assert done.rejects[0]["reason"] == "line-too-long"
    assert len(done.rejects[0]["row"]) < 10_000


def test_marks_blank_lines_and_line_ends_are_no_rows(ingest, write):
    text = "\r\n".join([line("ä"), "", "   ", line("b"), ""])
    done = ingest(write("a.jsonl", b"\xef\xbb\xbf" + text.encode()))
    assert [row["messages"][0]["content"] for row in done.examples] == ["ä", "b"]
    assert done.result.rows_in == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_an_encoding_with_a_mark_is_known(ingest, write, encoding):
    done = ingest(write("a.jsonl", (line("äöü") + "\n" + line("b")).encode(encoding)))
    assert done.examples[0]["messages"][0]["content"] == "äöü"


def test_a_stated_encoding_is_used_and_a_wrong_one_told(ingest, write):
    source = write("a.jsonl", line("äöü").encode("latin-1"))
    with pytest.raises(DataError, match="wrong|UTF-8"):
        ingest(source)
    assert ingest(source, encoding="latin-1").examples[0]["messages"][0]["content"] == "äöü"
    with pytest.raises(DataError, match="is not utf-16"):
        ingest(write("b.jsonl", b"\xff\xfea"), encoding="auto")


def test_gzip_is_read_and_broken_gzip_told(ingest, write):
    packed = gzip.compress("\n".join(line(str(i)) for i in range(2000)).encode(), mtime=0)
    assert len(ingest(write("a.jsonl.gz", packed)).examples) == 2000
    with pytest.raises(DataError, match="cut-off gzip"):
        ingest(write("b.jsonl.gz", packed[:-20]))
    with pytest.raises(DataError, match="gzipped twice"):
        ingest(write("c.jsonl.gz", gzip.compress(packed)))
    # Without the suffix it is known by its first bytes.
    assert len(ingest(write("d.jsonl", packed)).examples) == 2000


def test_a_decompression_bomb_is_refused(ingest, write):
    bomb = gzip.compress(b" " * (80 << 20), mtime=0)
    with pytest.raises(DataError, match="decompression bomb"):
        ingest(write("a.jsonl.gz", bomb), max_expansion=2)


def test_a_file_of_another_kind_is_told_early(ingest, write):
    with pytest.raises(DataError, match="20,480 of 20,480 rows"):
        ingest(write("a.jsonl", "this is no JSON\n" * 50_000))


@given(
    rows=st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1), max_size=8),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=20),
)
def test_lines_do_not_depend_on_how_blocks_are_cut(rows, cuts):
    data = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()

    def blocks():
        at, turn = 0, 0
        while at < len(data):
            size = cuts[turn % len(cuts)]
            yield data[at : at + size]
            at, turn = at + size, turn + 1

    assert [value for _, value in read_json_lines(blocks(), 1 << 20)] == rows


@given(
    lines=st.lists(st.binary(max_size=12).filter(lambda b: b"\n" not in b), max_size=10),
    size=st.integers(1, 9),
)
def test_long_lines_are_cut_and_marked_in_any_blocks(lines, size):
    data = b"\n".join(lines)
    blocks = (data[at : at + size] for at in range(0, len(data), size))
    found = {number: (text, long) for number, text, long in utf8_lines(blocks, 5)}
    for number, text in enumerate(lines, 1):
        if number < len(lines) or text:
            assert found[number] == (text[:5], len(text) > 5)
