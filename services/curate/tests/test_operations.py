"""Each operation: what it drops or rewrites, with which reason."""

from __future__ import annotations

import json

import pytest

from graftline.domain.examples import example_id, message
from graftline.errors import ConfigError, DataError
from graftline.testkit.examples import example_row

LONG = " ".join(f"word{i}" for i in range(30))


def test_normalise_rewrites_user_text_and_keeps_the_old_id_as_parent(curate):
    dirty = example_row("  Cafe\u0301\r\nau\u200b lait\x07 ", '{"a": "e\u0301"}')
    clean = example_row("plain", '{"a": "e\u0301"}')
    done = curate([dirty, clean], {"op": "normalise"})
    first, second = done.rows
    assert first["messages"][1]["content"] == "Café\nau lait"
    assert first["messages"][2]["content"] == '{"a": "e\u0301"}'
    assert first["parents"] == [dirty["id"]]
    assert first["id"] == example_id(first["messages"])
    assert second == {**clean}
    assert "1 rows changed" in done.log("info")
    everywhere = curate([dirty], {"op": "normalise", "of": "all"}).rows[0]
    assert everywhere["messages"][2]["content"] == '{"a": "é"}'


def test_normalise_keeps_emoji_and_can_be_switched_off(curate):
    text = " 👩\u200d👩 ﬁ\r\n"
    off = {
        "op": "normalise",
        "unicode": "none",
        "trim": False,
        "line_ends": False,
        "invisible": False,
    }
    assert curate([example_row(text)], off).texts == [text]
    assert curate([example_row(text)], {"op": "normalise", "unicode": "NFKC"}).texts == [
        "👩\u200d👩 fi"
    ]


def test_normalise_makes_the_same_id_with_tools_and_calls(curate):
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        message("user", "a "),
        message("assistant", None, tool_calls=[call]),
        message("tool", "b", tool_call_id="c"),
        message("assistant", "d"),
    ]
    tools = [{"name": "f", "x": 1.5}]
    done = curate([example_row("x", messages=messages, tools=tools)], {"op": "normalise"})
    expected = [{**messages[0], "content": "a"}, *messages[1:]]
    assert done.rows[0]["id"] == example_id(expected, tools)
    assert done.rows[0]["messages"] == expected


@pytest.mark.parametrize(
    ("settings", "bad", "reason", "detail"),
    [
        ({}, example_row("x", "  "), "empty-answer", ""),
        ({}, example_row(""), "prompt-too-short", "0 characters"),
        ({"max_prompt_chars": 5}, example_row("too long"), "prompt-too-long", "8 characters"),
        ({"min_answer_chars": 2}, example_row("x", "é"), "answer-too-short", "1 characters"),
        ({"max_answer_chars": 2}, example_row("x", "abc"), "answer-too-long", "3 characters"),
        ({"tasks": ["json"]}, example_row("x", task="chat"), "task-not-allowed", "task 'chat'"),
        ({"splits": ["train"]}, example_row("x", split="odd"), "split-not-allowed", "split 'odd'"),
        (
            {},
            example_row("x", messages=[message("assistant", "x"), message("user", "y")]),
            "roles-out-of-order",
            "roles in the order au (s u a t)",
        ),
        (
            {},
            example_row(
                "x",
                messages=[message("user", "x"), message("user", "y"), message("assistant", "z")],
            ),
            "roles-out-of-order",
            "roles in the order uua (s u a t)",
        ),
        (
            {},
            example_row(
                "x",
                messages=[message("user", "x"), message("tool", "y"), message("assistant", "z")],
            ),
            "roles-out-of-order",
            "roles in the order uta (s u a t)",
        ),
    ],
)
def test_filter_says_which_rule_was_broken(curate, settings, bad, reason, detail):
    done = curate([example_row("fine", "{}"), bad], {"op": "filter", **settings})
    (reject,) = done.rejects
    assert (reject["reason"], reject["detail"]) == (reason, detail)
    assert reject["id"] == bad["id"] == json.loads(reject["row"])["id"]
    assert done.texts == ["fine"]


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ({"any_of": ["en"]}, ["a"]),
        ({"none_of": ["en"]}, ["b"]),
        ({"none_of": ["en"], "required": False}, ["b", "d"]),
        ({"matches": "^e"}, ["a"]),
        ({"field": "inner.n", "at_least": 2}, ["b"]),
        ({"field": "inner.n", "at_most": 2}, ["a", "b"]),
        ({"field": "ok", "any_of": ["true"]}, ["a"]),
    ],
)
def test_filter_by_fields_of_meta(curate, rule, kept):
    rows = [
        example_row("a", meta={"lang": "en", "inner": {"n": 1}, "ok": True}),
        example_row("b", meta={"lang": "de", "inner": {"n": 2}, "ok": False}),
        example_row("d", meta={}),
    ]
    rule = {"field": "lang", **rule}
    done = curate(rows, {"op": "filter", "rules": [rule]})
    assert done.texts == kept
    assert all(reject["reason"] == f"field:{rule['field']}" for reject in done.rejects)


def test_filter_looks_only_at_the_named_splits(curate):
    rows = [example_row("a", "", split="eval"), example_row("b", ""), example_row("c", "x")]
    done = curate(rows, {"op": "filter", "in_splits": ["train"]})
    assert done.texts == ["a", "c"]


def test_validate_is_strict(curate):
    schema = {
        "type": "object",
        "properties": {"intent": {"enum": ["a", "b"]}},
        "required": ["intent"],
    }
    answers = [
        '{"intent": "a"}',
        '{"intent": "c"}',
        '{"intent": NaN}',
        "{'intent': 'a'}",
        "[]",
        '{"intent": "a"} ok',
    ]
    rows = [example_row(f"t{n}", answer) for n, answer in enumerate(answers)]
    done = curate(rows, {"op": "validate", "answer_schema": schema})
    assert done.texts == ["t0"]
    assert [reject["reason"] for reject in done.rejects] == [
        "answer-not-in-schema",
        "answer-not-json",
        "answer-not-json",
        "answer-not-in-schema",
        "answer-not-json",
    ]
    assert done.rejects[0]["detail"].startswith("intent: ")
    assert curate(rows, {"op": "validate", "in_splits": ["eval"]}).texts == [
        f"t{n}" for n in range(6)
    ]


def test_a_bad_schema_is_a_config_error(curate):
    with pytest.raises(ConfigError, match="no valid JSON Schema"):
        curate([example_row("x")], {"op": "validate", "answer_schema": {"type": "objekt"}})
    with pytest.raises(ConfigError, match="only references inside"):
        curate(
            [example_row("x")],
            {"op": "validate", "answer_schema": {"$ref": "http://127.0.0.1:9/s"}},
        )


def test_dedupe_keeps_the_evaluation_row(curate):
    rows = [
        example_row("Play  it", "1"),
        example_row("play it", "2", split="eval"),
        example_row("other"),
        example_row("PLAY IT", "3"),
    ]
    done = curate(rows, {"op": "dedupe"})
    assert [(item["split"], item["messages"][1]["content"]) for item in done.rows] == [
        ("eval", "play it"),
        ("train", "other"),
    ]
    assert done.rejects[0]["detail"] == f"the same prompt as {rows[1]['id']} in split 'eval'"
    apart = curate(rows, {"op": "dedupe", "across_splits": False})
    assert [item["split"] for item in apart.rows].count("train") == 2


def test_dedupe_by_example_needs_all_to_be_equal(curate):
    rows = [example_row("x", "1"), example_row("x", "2"), example_row("x", "1", group="another")]
    assert len(curate(rows, {"op": "dedupe", "by": "example"}).rows) == 2


def test_rows_with_only_a_system_prompt_are_told_apart(curate):
    rows = [
        example_row("x", messages=[message("system", name), message("assistant", "a")], group=name)
        for name in ("one", "two")
    ]
    assert len(curate(rows, {"op": "dedupe"}).rows) == 2


def test_decontaminate_drops_train_rows_and_is_loud(curate):
    rows = [
        example_row(f"Question: {LONG}", split="eval"),
        example_row("Play it!", split="ood"),
        example_row(f"intro {LONG[:100].upper()} outro"),
        example_row("play it"),
        example_row("play that"),
    ]
    done = curate(rows, {"op": "decontaminate"})
    assert done.texts == [rows[0]["messages"][1]["content"], "Play it!", "play that"]
    by_id = {reject["id"]: reject for reject in done.rejects}
    run = by_id[rows[2]["id"]]
    assert run["reason"] == "contaminated"
    assert f"13 words of evaluation row {rows[0]['id']}: 'word0 word1 " in run["detail"]
    assert "the prompt of evaluation row" in by_id[rows[3]["id"]]["detail"]
    assert "2 of 3 train rows (66.67%) occur in the evaluation rows" in done.log("warning")


def test_decontaminate_counts_words_not_boilerplate(curate):
    signature = " ".join(f"sig{i}" for i in range(15))
    rows = [example_row(f"question {n} {signature}", split="eval") for n in range(4)]
    rows.append(example_row(f"mine {signature}"))
    assert len(curate(rows, {"op": "decontaminate", "common_above": 3}).rows) == 5
    with pytest.raises(DataError, match="split 'train' has no rows left"):
        curate(rows, {"op": "decontaminate", "common_above": 4})
    assert len(curate(rows, {"op": "decontaminate", "ngram": 0}).rows) == 5
    assert len(curate(rows, {"op": "decontaminate", "ngram": 17}).rows) == 5


def test_decontaminate_can_fail_and_says_when_there_is_nothing_to_compare(curate):
    rows = [example_row("a", split="eval"), example_row("A?"), example_row("b")]
    with pytest.raises(DataError, match=r"1 of 2 train rows \(50.00%\).*fail_above = 0.1"):
        curate(rows, {"op": "decontaminate", "fail_above": 0.1})
    assert len(curate(rows, {"op": "decontaminate", "against": ["ood"]}).rows) == 3
    done = curate([example_row("a")], {"op": "decontaminate"})
    assert "no evaluation rows" in done.log("warning")


def test_sample_keeps_so_many_of_each_split(curate):
    rows = [example_row(f"t{n}") for n in range(50)] + [
        example_row(f"e{n}", split="eval") for n in range(9)
    ]
    limits = {"op": "sample", "limits": {"train": 20, "eval": 100, "ood": 1}}
    done = curate(rows, limits)
    assert done.result.figures == {"rows_train": 20, "rows_eval": 9}
    assert done.result.rejected == {"not-sampled": 30}
    assert done.rejects[0]["detail"] == "above the limit of 20 rows"
    assert curate(rows[::-1], limits).ids == done.ids
    assert curate(rows, limits, seed=1).ids != done.ids


def test_rejects_hold_the_whole_row(curate):
    bad = example_row("x", "", meta={"lang": "en"})
    (reject,) = curate([example_row("y"), bad], {"op": "filter"}).rejects
    kept = json.loads(reject["row"])
    assert kept["meta"] == '{"lang":"en"}'
    assert kept["messages"][1] == {"role": "user", "content": "x"}
    assert (
        json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == reject["row"]
    )
