"""One odd row becomes a reject, whatever is odd about it; the rest is read, within bounds."""

from __future__ import annotations

import json
import tracemalloc

import pyarrow.parquet as pq
import pytest

from graftline.config import parse_settings
from graftline.errors import ConfigError
from graftline_ingest.answers import AnswerForm
from graftline_ingest.config import IngestConfig

GOOD = {"q": "x", "label": "a", "group": "g", "split": "train", "question": "q", "answer": "a"}
FIELDS = {"text": "q", "answer": {"label": "label"}}
QA = {"layout": "qa"}
DEEP = "[" * 900 + "]" * 900


def chat(**more):
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    return {"messages": messages, **more}


def called(text):
    turns = [("human", "a"), ("function_call", text), ("observation", "1"), ("gpt", "b")]
    return {"conversations": [{"from": one, "value": value} for one, value in turns]}


def spoken_by(role):
    return {"messages": [{"role": role, "content": "a"}, {"role": "assistant", "content": "b"}]}


CASES = {
    "NaN in tools": ({}, chat(), chat(tools='[{"a": NaN}]'), "malformed-value"),
    "NaN in a call": (
        {},
        called('{"name": "f", "arguments": {"a": 1}}'),
        called('{"name": "f", "arguments": {"a": NaN}}'),
        "malformed-value",
    ),
    "a list as role": ({}, chat(), spoken_by(["user"]), "unknown-role"),
    "an object as role": ({}, chat(), spoken_by({}), "unknown-role"),
    "a deep label": ({"fields": FIELDS}, GOOD, {"label": DEEP}, "malformed-value"),
    "an infinite label": ({"fields": FIELDS}, GOOD, {"label": "1e999"}, "malformed-value"),
    "an infinite meta": (
        {"fields": FIELDS, "meta_fields": ["m"]},
        GOOD,
        {"m": "1e999"},
        "malformed-value",
    ),
    "half a pair as group": (
        {"fields": FIELDS, "group_field": "group"},
        GOOD,
        {"group": '"\\ud800"'},
        "wrong-encoding",
    ),
    "half a pair as split": (
        {"fields": FIELDS, "split": {"field": "split"}},
        GOOD,
        {"split": '"\\ud800"'},
        "wrong-encoding",
    ),
    "a place beyond all texts": (
        QA,
        GOOD,
        {"source_file": '"f"', "chunk_start": "0", "chunk_end": "1e30"},
        "malformed-value",
    ),
    "an infinite place": (QA, GOOD, {"chunk_end": "1e999"}, "malformed-value"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_odd_row_is_a_reject(ingest, write, case):
    config, good, odd, reason = CASES[case]
    given = json.dumps(good)
    if "messages" in odd or "conversations" in odd:
        bad = json.dumps(odd)
    else:  # JSON that no value of Python's spells
        plain = {key: value for key, value in good.items() if key not in odd}
        raw = ", ".join(f'"{key}": {value}' for key, value in odd.items())
        bad = f"{json.dumps(plain)[:-1]}, {raw}}}"
    source = write("a.json", f"[{given}, {bad}, {given}]")
    done = ingest(source, max_malformed_share=0.5, **config)
    assert len(done.examples) == 2
    assert done.result.rejected == {reason: 1}
    assert done.rejects[0]["detail"].startswith("a.json, item 2: ")
    assert json.loads(done.rejects[0]["row"])


@pytest.mark.parametrize("depth", [70, 600, 900, 980])
def test_a_deep_row_is_read_or_a_reject_at_any_depth(ingest, write, depth):
    deep = '{"q": "x", "label": ' + "[" * depth + "]" * depth + "}"
    good = json.dumps(GOOD)
    done = ingest(
        write("a.jsonl", f"{good}\n{deep}\n{good}"), fields=FIELDS, max_malformed_share=0.5
    )
    assert len(done.examples) >= 2
    if depth > 600:
        assert sum(done.result.rejected.values()) == 1


def test_an_infinite_label_does_not_pass_for_null(ingest, write):
    rows = '[{"q": "x", "label": [null]}, {"q": "y", "label": [1e999]}]'
    done = ingest(write("a.json", rows), fields=FIELDS, max_malformed_share=0.5)
    assert done.answers == [{"label": [None]}]
    assert done.result.rejected == {"malformed-value": 1}


@pytest.mark.parametrize(
    "answer",
    [{"o": "a", "o-x": "b", "o.y": "c"}, {"a": "a", "a b": "b", "a.b.c": "c"}],
)
def test_an_answer_path_inside_another_is_told_whatever_stands_between(answer):
    config = {"source": "a", "fields": {"text": "t", "answer": answer}}
    with pytest.raises(ConfigError, match="lies inside"):
        parse_settings(IngestConfig, config, "step 'data'")


def test_rows_are_written_by_their_size(ingest, write):
    """Examples and rejects of 400 kB: no batch holds thousands of them."""
    good = [chat(tools=json.dumps([{"name": f"{n}" + "x" * 400_000}])) for n in range(60)]
    odd = [{"messages": [{"role": "user", "content": f"{n}" + "y" * 400_000}]} for n in range(60)]
    text = "\n".join(json.dumps(row) for pair in zip(good, odd, strict=True) for row in pair)
    done = ingest(write("a.jsonl", text))
    assert (len(done.examples), len(done.rejects)) == (60, 60)
    for port in ("examples", "rejects"):
        (file,) = done.run.outputs[port].iterdir()
        footer = pq.read_metadata(file)
        groups = [footer.row_group(n).num_rows for n in range(footer.num_row_groups)]
        assert groups == [42, 18], port


def test_what_is_remembered_of_answers_is_bounded_by_bytes():
    form = AnswerForm({"type": "object"}, [])
    tracemalloc.start()
    try:
        for length, count in ((10_000, 6_000), (900, 40_000)):
            for number in range(count):
                form.text_of({"a": f"{number}" + "x" * length})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50 << 20


def test_long_answers_are_judged_like_short_ones():
    form = AnswerForm({"type": "object", "required": ["a"]}, [])
    long = {"b": "x" * 5000, "a": 1}
    assert form.text_of(long) == form.text_of(long) == f'{{"a": 1, "b": "{"x" * 5000}"}}'
