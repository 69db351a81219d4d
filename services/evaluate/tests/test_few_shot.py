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
