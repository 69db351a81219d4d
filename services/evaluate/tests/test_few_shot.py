"""What the base is shown."""

import json

import evaluate_rows
import pytest

from graftline.errors import DataError
from graftline_evaluate.dataset import read_train_pool
from graftline_evaluate.few_shot import make_few_shot


@pytest.fixture
def pool(tmp_path):
    rows = [
        evaluate_rows.row("a long refund text", evaluate_rows.gold("refund", None, True), "train"),
        evaluate_rows.row("refund", evaluate_rows.gold("refund", None, True), "train"),
        evaluate_rows.row("refund again", evaluate_rows.gold("refund", None, True), "train"),
        evaluate_rows.row("cancel", evaluate_rows.gold("cancel", "ORD-1", False), "train"),
        evaluate_rows.row("cancel 2", evaluate_rows.gold("cancel", "ORD-2", False), "train"),
        evaluate_rows.row("not json", "sorry", "train"),
    ]
    return read_train_pool(evaluate_rows.write_examples(tmp_path, rows))


def test_examples_differ_and_are_short(pool):
    shown = make_few_shot(evaluate_rows.SCHEMA, pool, 2).examples
    assert {example.messages[-1]["content"] for example in shown} == {"refund", "cancel"}


def test_the_choice_is_fixed(pool):
    one = make_few_shot(evaluate_rows.SCHEMA, pool, 3)
    assert one == make_few_shot(evaluate_rows.SCHEMA, list(pool), 3)
    assert len({example.id for example in one.examples}) == 3


def test_schema_and_examples_stand_before_the_question(pool):
    prompt = make_few_shot(evaluate_rows.SCHEMA, pool, 2)
    question = [
        {"role": "system", "content": evaluate_rows.SYSTEM},
        {"role": "user", "content": "mine"},
    ]
    messages = prompt.around(question)
    assert [m["role"] for m in messages] == ["system", *["user", "assistant"] * 2, "user"]
    assert messages[0]["content"].startswith(evaluate_rows.SYSTEM)
    assert json.loads(messages[0]["content"].splitlines()[-1]) == evaluate_rows.SCHEMA
    assert messages[-1] == question[-1]
    assert [m["content"] for m in messages[2::2]] == [e.gold for e in prompt.examples]
    without = prompt.around(question[1:])
    assert without[0]["role"] == "system"
    assert without[1:] == messages[1:]


def test_too_few_rows_are_told(pool):
    with pytest.raises(DataError, match=r"few_shot\.rows is 6, but only 5 rows"):
        make_few_shot(evaluate_rows.SCHEMA, pool, 6)
    assert make_few_shot(evaluate_rows.SCHEMA, [], 0).examples == ()


def qa_pool(folder, golds):
    rows = [
        {**evaluate_rows.row(f"q{number}", gold, "train"), "group": group}
        for number, (group, gold) in enumerate(golds)
    ]
    return read_train_pool(evaluate_rows.write_examples(folder, rows))


def test_free_text_examples_are_typical_and_of_several_groups(tmp_path):
    golds = [("a", "x" * n) for n in (1, 9, 10, 11, 400)] + [("b", "x" * 14), ("c", "x" * 2)]
    pool = qa_pool(tmp_path, golds)
    shown = make_few_shot(None, pool, 3).examples
    assert [(row.group, len(row.gold)) for row in shown] == [("a", 10), ("b", 14), ("c", 2)]
    assert [len(row.gold) for row in make_few_shot(None, pool, 5).examples[3:]] == [9, 11]
    assert make_few_shot(None, pool[::-1], 3).examples == shown
    with pytest.raises(DataError, match=r"few_shot\.rows is 8, but only 7 rows"):
        make_few_shot(None, pool, 8)
    assert make_few_shot(None, [], 0).examples == ()


def test_without_a_schema_nothing_is_said_but_the_examples(tmp_path):
    prompt = make_few_shot(None, qa_pool(tmp_path, [("a", "first"), ("b", "other")]), 2)
    question = [{"role": "user", "content": "mine"}]
    messages = prompt.around(question)
    assert [m["role"] for m in messages] == ["user", "assistant"] * 2 + ["user"]
    assert messages[-1:] == question
    system = {"role": "system", "content": "Be brief."}
    assert prompt.around([system, *question]) == [system, *messages]
