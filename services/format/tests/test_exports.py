from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.domain.examples import compact, message
from graftline_format.exports import CONVERTERS, ExportWriter

TEXT = {"type": "string"}


def strict(required: dict, optional: dict | None = None) -> dict:
    properties = {**required, **(optional or {})}
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        "additionalProperties": False,
    }


CALL = strict({"id": TEXT, "type": TEXT, "function": strict({"name": TEXT, "arguments": TEXT})})
SCHEMAS = {
    "messages": strict(
        {
            "messages": {
                "type": "array",
                "minItems": 1,
                "items": strict(
                    {"role": {"enum": ["system", "user", "assistant", "tool"]}},
                    {
                        "content": TEXT,
                        "name": TEXT,
                        "tool_call_id": TEXT,
                        "tool_calls": {"type": "array", "items": CALL, "minItems": 1},
                    },
                ),
            }
        },
        {"tools": {"type": "array"}},
    ),
    "alpaca": strict(
        {"instruction": TEXT, "input": TEXT, "output": TEXT},
        {
            "system": TEXT,
            "history": {
                "type": "array",
                "items": {"type": "array", "items": TEXT, "minItems": 2, "maxItems": 2},
            },
        },
    ),
    "sharegpt": strict(
        {
            "conversations": {
                "type": "array",
                "minItems": 1,
                "items": strict(
                    {
                        "from": {
                            "enum": ["system", "human", "gpt", "function_call", "observation"]
                        },
                        "value": TEXT,
                    }
                ),
            }
        },
        {"tools": TEXT},
    ),
    "prompt-completion": strict({"prompt": TEXT, "completion": TEXT}),
}
FORMATS = list(SCHEMAS)
PAIR = {
    "source_file": "guide/time.md",
    "file_name": "time.md",
    "file_type": "md",
    "chunk_id": "c7",
    "chunk_index": 7,
    "chunk_start": 120,
    "chunk_end": 180,
    "source_text": "It waits\n5 seconds.",
}
SCORES = {
    "factual_accuracy": 9,
    "completeness": 8,
    "consistency": 10,
    "overall": 8.9,
    "verdict": "PASS",
}
UNJUDGED = {**dict.fromkeys(SCORES), "verdict": "UNJUDGED"}


def from_alpaca(line):
    system = [message("system", line["system"])] if "system" in line else []
    pairs = [*line.get("history", []), [line["instruction"] + line["input"], line["output"]]]
    turns = [
        message(r, t) for pair in pairs for r, t in zip(("user", "assistant"), pair, strict=True)
    ]
    return compact([*system, *turns])


def from_sharegpt(line):
    roles = {"system": "system", "human": "user", "gpt": "assistant"}
    return compact([message(roles[item["from"]], item["value"]) for item in line["conversations"]])


texts = st.text(max_size=30)
conversations = st.tuples(
    st.lists(texts, max_size=1), st.lists(st.tuples(texts, texts), min_size=1, max_size=4)
)


@given(conversations)
def test_plain_conversations_survive_every_format(conversation):
    system, pairs = conversation
    messages = [message("system", text) for text in system]
    for question, answer in pairs:
        messages += [message("user", question), message("assistant", answer)]
    messages = compact(messages)
    lines = {name: convert(messages, None) for name, convert in CONVERTERS.items()}
    for name, line in lines.items():
        jsonschema.validate(line, SCHEMAS[name])
    assert lines["messages"]["messages"] == messages
    assert from_alpaca(lines["alpaca"]) == messages
    assert from_sharegpt(lines["sharegpt"]) == messages


CALLING = [
    message("user", "Weather?"),
    message(
        "assistant",
        None,
        tool_calls=[
            {"id": "1", "type": "function", "function": {"name": "w", "arguments": '{"at": 1}'}}
        ],
    ),
    message("tool", "rain", tool_call_id="1"),
    message("assistant", "Rain."),
]
TOOLS = json.dumps([{"type": "function", "function": {"name": "w"}}])


def test_tool_calls_go_where_there_are_words_for_them(tmp_path):
    row = {"messages": CALLING, "tools": TOOLS}
    with ExportWriter(tmp_path, FORMATS) as writer:
        writer.write(row, "train", "p", "c")
    lines = {
        path.parent.name: json.loads(path.read_text()) for path in tmp_path.glob("*/train.jsonl")
    }
    assert set(lines) == {"messages", "sharegpt", "prompt-completion"}
    for name, line in lines.items():
        jsonschema.validate(line, SCHEMAS[name])
    assert lines["sharegpt"]["conversations"][1:3] == [
        {"from": "function_call", "value": '{"name": "w", "arguments": {"at": 1}}'},
        {"from": "observation", "value": "rain"},
    ]
    assert json.loads(lines["sharegpt"]["tools"]) == lines["messages"]["tools"] == json.loads(TOOLS)
    assert json.loads((tmp_path / "index.json").read_text()) == {
        "files": {f"{name}/train.jsonl": 1 for name in sorted(lines)},
        "left_out": {"alpaca": 1},
    }


@pytest.mark.parametrize(
    "roles", [["user"], ["assistant", "user"], ["user", "user", "assistant"], ["user", "system"]]
)
def test_alpaca_has_no_words_for_odd_turns(roles):
    assert CONVERTERS["alpaca"](compact([message(role, "x") for role in roles]), None) is None


def test_files_are_by_split_and_one_line_a_row(tmp_path):
    row = {"messages": [message("user", "a\nb é"), message("assistant", "c")], "tools": None}
    with ExportWriter(tmp_path, FORMATS) as writer:
        for split in ("train", "validation", "train"):
            writer.write(row, split, "p\n", "c")
    for name in FORMATS:
        lines = (tmp_path / name / "train.jsonl").read_text().splitlines()
        assert len(lines) == 2
        for line in lines:
            jsonschema.validate(json.loads(line), SCHEMAS[name])
        assert len((tmp_path / name / "validation.jsonl").read_text().splitlines()) == 1
    assert "é" in (tmp_path / "messages" / "train.jsonl").read_text()


def asked(*turns, tools=None, **meta):
    messages = [message(role, text) for role, text in turns]
    return {"messages": messages, "tools": tools, "meta": json.dumps(meta)}


def pairs_of(folder, *rows):
    with ExportWriter(folder, ["qa"]) as writer:
        for row in rows:
            writer.write(row, "train", "p", "c")
    path = folder / "qa" / "train.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines], json.loads((folder / "index.json").read_text())


@pytest.mark.parametrize("judgement", [SCORES, UNJUDGED])
def test_a_pair_has_its_source_and_its_scores_under_their_old_names(tmp_path, judgement):
    row = asked(
        ("system", "Be brief."),
        ("user", "How long?"),
        ("assistant", "5 seconds."),
        question="before it was normalised",
        judgement={**judgement, "issues": [], "recommendation": "", "validators": {}},
        row=3,
        **PAIR,
    )
    lines, _ = pairs_of(tmp_path, row)
    expected = {"question": "How long?", "answer": "5 seconds.", **PAIR, **judgement}
    assert lines == [expected]
    assert list(lines[0]) == list(expected)


def test_what_is_not_known_of_a_pair_is_no_field(tmp_path):
    bare = asked(("user", "Why?"), ("assistant", "So."), chunk_id=None, judgement=None)
    assert pairs_of(tmp_path, bare)[0] == [{"question": "Why?", "answer": "So."}]


def test_what_is_no_pair_is_left_out_and_counted(tmp_path):
    pair = (("user", "Why?"), ("assistant", "So."))
    rows = [
        asked(*pair),
        asked(*pair, *pair),
        asked(("assistant", "So.")),
        asked(("system", "Be."), ("assistant", "So.")),
        asked(("user", " "), ("assistant", "So.")),
        asked(*pair, tools=TOOLS),
        {"messages": [*CALLING[:2]], "tools": None, "meta": "{}"},
        {"messages": [CALLING[0], {**CALLING[1], "content": "x"}], "tools": None, "meta": "{}"},
    ]
    lines, index = pairs_of(tmp_path, *rows)
    assert lines == [{"question": "Why?", "answer": "So."}]
    assert index == {"files": {"qa/train.jsonl": 1}, "left_out": {"qa": len(rows) - 1}}
