"""What each layout makes of a record."""

from __future__ import annotations

import json

import pytest

from graftline.domain.examples import example_id
from graftline.errors import ConfigError, DataError


def lines(*records: object) -> str:
    return "\n".join(json.dumps(record) for record in records)


def roles(example: dict) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in example["messages"]]


def test_messages_with_parts_tools_and_calls(ingest, write):
    tools = [{"type": "function", "function": {"name": "find", "parameters": {"x": 1.0}}}]
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": {"q": "é"}}}
    record = {
        "messages": [
            {"role": "developer", "content": "be brief"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            },
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "found", "tool_call_id": "c1", "name": "find"},
            {"role": "assistant", "content": "done"},
        ],
        "tools": tools,
    }
    done = ingest(write("a.jsonl", lines(record)), instruction="not used: it has its own")
    (row,) = done.examples
    assert roles(row) == [
        ("system", "be brief"),
        ("user", "ab"),
        ("assistant", None),
        ("tool", "found"),
        ("assistant", "done"),
    ]
    assert row["messages"][2]["tool_calls"][0]["function"]["arguments"] == '{"q":"é"}'
    assert json.loads(row["tools"]) == tools
    assert row["id"] == example_id(row["messages"], tools)
    assert row["task"] == "chat"


@pytest.mark.parametrize(
    "text", ["plain", 'é \u2028 \x7f \x01 " \\ / \n\t', "𝄞 emoji 👩‍👩‍👧", "\ufeffx"]
)
def test_the_id_is_the_contracts(ingest, write, text):
    record = {
        "messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "y"}]
    }
    (row,) = ingest(write("a.jsonl", lines(record))).examples
    assert row["id"] == example_id(row["messages"])


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "missing-field"),
        ("no list", "missing-field"),
        (["text"], "not-a-message"),
        ([{"role": "owl", "content": "x"}], "unknown-role"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}], "not-text"),
        ([{"role": "user", "content": 3}], "not-text"),
        ([{"role": "user"}], "empty-message"),
        ([{"role": "user", "content": "x"}], "no-answer"),
        ([{"role": "assistant", "content": "x"}], "no-question"),
        ([{"role": "assistant", "content": "", "tool_calls": [{"f": 1}]}], "bad-tool-call"),
    ],
)
def test_what_is_no_chat_is_refused_with_a_reason(ingest, write, messages, reason):
    good = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    done = ingest(write("a.jsonl", lines(good, {"messages": messages})))
    assert [reject["reason"] for reject in done.rejects] == [reason]
    assert done.rejects[0]["detail"].startswith("a.jsonl, line 2: ")
    assert json.loads(done.rejects[0]["row"]) == {"messages": messages}


def test_rows_with_images_are_refused_not_blinded(ingest, write):
    record = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    done = ingest(write("a.jsonl", lines(record, {**record, "images": ["x.jpg"]})))
    assert done.result.rejected == {"not-text": 1}


def test_sharegpt_with_tools(ingest, write):
    record = {
        "conversations": [
            {"from": "human", "value": "find it"},
            {"from": "function_call", "value": '{"name": "find", "arguments": {"a": 1}}'},
            {"from": "observation", "value": "here"},
            {"from": "gpt", "value": "found"},
        ],
        "system": "be kind",
        "tools": '[{"name": "find"}]',
    }
    (row,) = ingest(write("a.jsonl", lines(record))).examples
    assert [m["role"] for m in row["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    call = row["messages"][2]["tool_calls"][0]
    assert call == {
        "id": "call_1",
        "type": "function",
        "function": {"name": "find", "arguments": '{"a":1}'},
    }
    assert row["messages"][3]["tool_call_id"] == "call_1"


def test_alpaca_with_history_and_system(ingest, write):
    record = {
        "instruction": "do",
        "input": "this",
        "output": "done",
        "system": "s",
        "history": [["q", "a"]],
    }
    plain = {"instruction": "do", "input": "", "output": "done"}
    first, second = ingest(write("a.json", json.dumps([record, plain]))).examples
    assert roles(first) == [
        ("system", "s"),
        ("user", "q"),
        ("assistant", "a"),
        ("user", "do\nthis"),
        ("assistant", "done"),
    ]
    assert roles(second) == [("user", "do"), ("assistant", "done")]


def test_prompt_and_completion_as_text_and_as_messages(ingest, write):
    text = {"prompt": "p", "completion": "c"}
    chat = {
        "prompt": [{"role": "user", "content": "p"}],
        "completion": [{"role": "assistant", "content": "c"}],
    }
    first, second = ingest(write("a.jsonl", lines(text, chat)), instruction="do").examples
    assert roles(first) == roles(second) == [("system", "do"), ("user", "p"), ("assistant", "c")]


def test_each_file_of_a_folder_may_have_its_own_layout(ingest, write):
    write("one.jsonl", lines({"prompt": "p", "completion": "c"}))
    write("two.json", json.dumps([{"instruction": "i", "output": "o"}]))
    write("README.md", "no data")
    write("dataset_info.json", "{}")
    folder = write("sub/three.csv", "prompt,response\na,b\n").parent.parent
    done = ingest(folder)
    assert len(done.examples) == 3
    assert json.loads(done.examples[1]["meta"]) == {"file": "sub/three.csv", "row": 2}


def test_an_unknown_layout_asks_the_user(ingest, write):
    with pytest.raises(ConfigError, match=r"its fields are category, text.*set `fields`"):
        ingest(write("a.jsonl", lines({"text": "x", "category": "y"})))


def test_nothing_usable_says_why(ingest, write):
    source = write("a.jsonl", lines({"prompt": "", "completion": "c"}, {"completion": "c"}))
    with pytest.raises(
        DataError, match="none of 2 rows can be used: 1 empty-text, 1 missing-field"
    ):
        ingest(source, layout="prompt-completion")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", ""),
        ("a.jsonl", "\n\n"),
        ("a.json", "[]"),
        ("a.csv", "text,label\n"),
        ("a.csv", "\n"),
    ],
)
def test_an_empty_source_is_told(ingest, write, name, text):
    with pytest.raises(DataError, match="empty|no rows"):
        ingest(write(name, text))


def test_a_folder_without_known_files_is_told(ingest, write):
    with pytest.raises(DataError, match="known format"):
        ingest(write("notes.md", "x").parent)


def test_include_and_exclude_choose_files_and_a_pattern_for_nothing_is_told(ingest, write):
    write("a.jsonl", lines({"prompt": "a", "completion": "c"}))
    folder = write("b.jsonl", lines({"prompt": "b", "completion": "c"})).parent
    assert len(ingest(folder, include=["b*"]).examples) == 1
    assert len(ingest(folder, exclude=["b*"]).examples) == 1
    with pytest.raises(ConfigError, match=r"matches none of the 2 files.*a.jsonl, b.jsonl"):
        ingest(folder, include=["c*"])
