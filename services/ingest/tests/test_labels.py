"""Labelled sets: field maps, schema, key order, SNIPS and CLINC."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.config import parse_settings
from graftline.errors import ConfigError
from graftline_ingest.answers import AnswerForm
from graftline_ingest.config import IngestConfig
from graftline_ingest.drafts import Refused

SCHEMA = {
    "type": "object",
    "properties": {
        "urgent": {"type": "boolean"},
        "count": {"type": ["integer", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "entities": {
            "type": "object",
            "properties": {"product": {"type": "string"}, "order_id": {"type": "string"}},
            "required": ["order_id"],
        },
        "intent": {"enum": ["refund", "cancel"]},
    },
    "required": ["intent", "urgent", "entities"],
    "additionalProperties": False,
}
FIELDS = {
    "text": "message",
    "answer": {
        "intent": "label",
        "urgent": "urgent",
        "count": "n",
        "tags": "tag",
        "entities.order_id": "order",
        "entities.product": "product",
    },
}


def test_a_csv_file_becomes_answers_of_the_schema(ingest, write):
    source = write(
        "a.csv",
        "message,label,urgent,n,tag,order,product\n"
        '"Hi,\nplease refund",refund,true,3,big,007,\n'
        "Cancel it,cancel,False,,small,12,tea\n"
        "What,complain,true,1,x,1,tea\n"
        "Short row,refund\n",
    )
    done = ingest(
        source,
        fields=FIELDS,
        answer_schema=SCHEMA,
        instruction="Answer with JSON.",
        max_malformed_share=0.3,
    )
    texts = [row["messages"][-1]["content"] for row in done.examples]
    # Order: `required`, then by name; cells take the schema's types; 007 stays text.
    assert texts == [
        '{"intent": "refund", "urgent": true, "entities": {"order_id": "007"}, "count": 3,'
        ' "tags": ["big"]}',
        '{"intent": "cancel", "urgent": false, "entities": {"order_id": "12", "product": "tea"},'
        ' "count": null, "tags": ["small"]}',
    ]
    assert [m["role"] for m in done.examples[0]["messages"]] == ["system", "user", "assistant"]
    assert done.examples[0]["task"] == "json"
    assert done.result.rejected == {"label-not-in-schema": 1, "malformed-row": 1}
    assert '"complain" is not one of' in done.rejects[0]["detail"]
    assert done.rejects[1]["detail"] == "a.csv, line 6: 2 cells where the header has 7"


def test_key_order_names_paths(ingest, write):
    source = write("a.jsonl", json.dumps({"t": "x", "a": 1, "b": {"c": 2}, "d": 3}))
    fields = {"text": "t", "answer": {"one": "a", "in.deep": "b.c", "in.also": "d"}}
    plain = ingest(source, fields=fields).examples[0]["messages"][-1]["content"]
    assert plain == '{"in": {"also": 3, "deep": 2}, "one": 1}'
    chosen = ingest(source, fields=fields, key_order=["one", "in.deep"])
    assert (
        chosen.examples[0]["messages"][-1]["content"] == '{"one": 1, "in": {"deep": 2, "also": 3}}'
    )


def test_text_answers_are_held_against_the_schema_too(ingest, write):
    good = {"prompt": "p", "completion": '{"b":1,"intent" : "x"}'}
    lines = [
        good,
        {**good, "completion": "{'no': json}"},
        {**good, "completion": '{"b": NaN}'},
        {**good, "completion": '{"b": 1}'},
    ]
    done = ingest(
        write("a.jsonl", "\n".join(map(json.dumps, lines))),
        answer_schema={"type": "object", "required": ["intent"]},
    )
    assert done.examples[0]["messages"][-1]["content"] == '{"intent": "x", "b": 1}'
    assert done.result.rejected == {"answer-not-json": 2, "label-not-in-schema": 1}


def test_a_completion_may_be_a_field(ingest, write):
    source = write("a.tsv", "q\ta\nwhat\tthat\n")
    done = ingest(source, fields={"text": "q", "completion": "a"})
    assert done.examples[0]["messages"][-1]["content"] == "that"
    assert done.examples[0]["task"] == "chat"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"$ref": "http://127.0.0.1:9/x.json"},
        {"$ref": "#/$defs/none"},
        {"pattern": "("},
    ],
)
def test_a_bad_schema_is_a_config_error(ingest, write, schema):
    with pytest.raises(ConfigError, match="no valid JSON Schema"):
        ingest(write("a.jsonl", "{}"), answer_schema=schema)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"layout": "fields"}, "needs `fields.text`"),
        ({"layout": "alpaca", "fields": {"text": "a", "completion": "b"}}, "not 'alpaca'"),
        ({"fields": {"text": "a"}}, "together with"),
        ({"fields": {"text": "a", "answer": {"x": "b"}, "completion": "c"}}, "either"),
        ({"fields": {"text": "a", "answer": {"x": "b", "x.y": "c"}}}, "lies inside"),
        ({"split": {"fractions": {"eval": 1.5}}}, "share"),
        ({"split": {"fractions": {"eval": 0.6, "ood": 0.5}}}, "nothing for train"),
        ({"splitt": {}}, "did you mean 'split'"),
    ],
)
def test_settings_that_cannot_be_meant_are_told(config, message):
    with pytest.raises(ConfigError, match=message):
        parse_settings(IngestConfig, {"source": "a", **config}, "step 'data'")


KEYS = st.sampled_from(["a", "b", "c", "d"])


@given(
    answer=st.dictionaries(
        KEYS, st.integers() | st.text(st.characters(exclude_categories=("Cs",)))
    ),
    required=st.lists(KEYS, unique=True),
    shuffled=st.permutations(["a", "b", "c", "d"]),
)
def test_the_spelling_depends_on_no_dict_order(answer, required, shuffled):
    names = sorted(answer)
    schema = {"properties": {name: {} for name in shuffled}, "required": []}
    other = {"properties": {name: {} for name in sorted(shuffled)}, "required": []}
    mirrored = {name: answer[name] for name in reversed(names)}
    form, same = AnswerForm(schema, required), AnswerForm(other, required)
    assert form.text_of(answer) == same.text_of(mirrored)
    assert json.loads(form.text_of(answer)) == answer
    first = [key for key in required if key in answer]
    assert list(json.loads(form.text_of(answer)))[: len(first)] == first


def test_verdicts_are_remembered_but_not_mixed_up():
    form = AnswerForm({"type": "object", "properties": {"a": {"type": "integer"}}}, [])
    for _ in range(2):
        assert form.text_of({"a": 1}) == '{"a": 1}'
        with pytest.raises(Refused, match="integer"):
            form.text_of({"a": "1"})


def test_snips_spans_become_slots(ingest, write):
    spans = [
        {"text": "play "},
        {"text": "Nina", "entity": "artist"},
        {"text": " and "},
        {"text": "Ella", "entity": "artist"},
        {"text": " on "},
        {"text": "radio", "entity": "service"},
    ]
    train = json.dumps({"PlayMusic": [{"data": spans}, {"data": spans[:2]}]}, ensure_ascii=False)
    folder = write("PlayMusic/train_PlayMusic.json", train).parent.parent
    write(
        "PlayMusic/validate_PlayMusic.json",
        json.dumps(
            {"PlayMusic": [{"data": [{"text": "caf\xe9", "entity": "artist"}]}]}, ensure_ascii=False
        ).encode("latin-1"),
    )
    done = ingest(folder, layout="snips")
    assert done.answers == [
        {"intent": "PlayMusic", "slots": {"artist": ["Nina", "Ella"], "service": "radio"}},
        {"intent": "PlayMusic", "slots": {"artist": "Nina"}},
        {"intent": "PlayMusic", "slots": {"artist": "café"}},
    ]
    assert done.splits == ["train", "train", "eval"]
    assert done.examples[0]["messages"][0]["content"] == "play Nina and Ella on radio"
    assert done.result.figures["latin1_files"] == 1
    lists = {"properties": {"slots": {"additionalProperties": {"type": "array"}}}}
    always = ingest(folder, layout="snips", answer_schema=lists)
    assert always.answers[1] == {"intent": "PlayMusic", "slots": {"artist": ["Nina"]}}
    single = {"properties": {"slots": {"additionalProperties": {"type": "string"}}}}
    assert ingest(folder, layout="snips", answer_schema=single).result.rejected == {
        "label-not-in-schema": 1
    }


def test_clinc_pairs_and_their_splits(ingest, write):
    document = {
        "train": [["a", "x"], ["b"]],
        "val": [["c", "y"]],
        "test": [["d", "z"]],
        "oos_test": [["e", "oos"]],
    }
    source = write("data_small.json", json.dumps(document))
    done = ingest(source, split={"names": {"val": "", "oos_test": "out"}})
    assert sorted(zip(done.splits, (a["intent"] for a in done.answers), strict=True)) == [
        ("eval", "z"),
        ("out", "oos"),
        ("train", "x"),
    ]
    assert done.result.rejected == {"not-a-pair": 1, "split-left-out": 1}
