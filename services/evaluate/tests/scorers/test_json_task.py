"""Scores of single answers."""

import json

import evaluate_rows
import pytest

from graftline_evaluate.config import JsonTask
from graftline_evaluate.scorers.json_task import JsonTaskScorer

GOLD = evaluate_rows.gold("refund", "ORD-001", False)


@pytest.fixture
def scorer():
    return JsonTaskScorer(JsonTask(kind="json_task", schema=evaluate_rows.SCHEMA))


def answer(**changes):
    return json.dumps({**json.loads(GOLD), **changes})


def test_the_gold_answer_is_right(scorer):
    for text in (GOLD, f" \n{GOLD}\n", json.dumps(json.loads(GOLD), indent=3, sort_keys=True)):
        score = scorer.score(text, GOLD)
        assert score.exact_match
        assert score.json_valid
        assert score.schema_valid
        assert score.intent_correct
        assert (score.entity_tp, score.entity_fp, score.entity_fn) == (1, 0, 0)
        assert score.fields == {"urgent": True}
        assert (score.failure, score.reason) == ("", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"```json\n{GOLD}\n```", "malformed JSON: a value is missing at line 1, column 1"),
        (f"Sure! {GOLD}", "malformed JSON: a value is missing at line 1, column 1"),
        (f"{GOLD} {GOLD}", "malformed JSON: text after the JSON value at line 1, column 76"),
        (f"\u00a0{GOLD}", "malformed JSON: a value is missing at line 1, column 1"),
        ("", "malformed JSON: a value is missing at line 1, column 1"),
        (GOLD[:-1], "malformed JSON: a comma or the end is missing at line 1, column 74"),
        (GOLD.replace("false", "NaN"), "malformed JSON: NaN is not a JSON value at line 1, col"),
    ],
)
def test_what_is_no_json(scorer, text, reason):
    score = scorer.score(text, GOLD)
    assert not score.json_valid
    assert not score.schema_valid
    assert score.intent_correct is False
    assert (score.entity_tp, score.entity_fp, score.entity_fn) == (0, 0, 1)
    assert score.fields == {"urgent": False}
    assert score.failure == "malformed-json"
    assert score.reason.startswith(reason)


@pytest.mark.parametrize(
    ("text", "failure", "reason", "entities"),
    [
        (answer(intent="cancel"), "wrong-intent", 'intent is "cancel", not "refund"', (1, 0, 0)),
        (
            answer(entities={"order_id": "ORD-002"}),
            "wrong-entities",
            'missed entities.order_id "ORD-001"; invented entities.order_id "ORD-002"',
            (0, 1, 1),
        ),
        (
            answer(entities={"order_id": None}),
            "wrong-entities",
            'missed entities.order_id "ORD-001"',
            (0, 0, 1),
        ),
        (answer(urgent=True), "other-difference", "urgent is true, not false", (1, 0, 0)),
        (
            answer(intent="greeting"),
            "schema-violation",
            "schema violation at intent: 'greeting' is not one of ['refund', 'cancel']",
            (1, 0, 0),
        ),
        (
            answer(entities={"order_id": 5}),
            "schema-violation",
            "schema violation at entities.order_id: 5 is not of type 'string', 'null'",
            (0, 1, 1),
        ),
        ("[]", "schema-violation", "schema violation at the root: [] is not", (0, 0, 1)),
        ("null", "schema-violation", "schema violation at the root: None is not", (0, 0, 1)),
    ],
)
def test_what_is_json_but_wrong(scorer, text, failure, reason, entities):
    score = scorer.score(text, GOLD)
    assert score.json_valid
    assert score.schema_valid is (failure != "schema-violation")
    assert not score.exact_match
    assert score.failure == failure
    assert score.reason.startswith(reason)
    assert (score.entity_tp, score.entity_fp, score.entity_fn) == entities


def test_gold_answers_are_checked(scorer):
    assert scorer.gold_problem(GOLD) == ""
    assert scorer.gold_problem("no").startswith("not JSON: a value is missing")
    assert scorer.gold_problem("{}").startswith("violates the schema at the root: ")


def test_without_intent_there_is_no_intent_metric():
    config = JsonTask(kind="json_task", schema=evaluate_rows.SCHEMA, intent_field=None)
    scorer = JsonTaskScorer(config)
    assert scorer.score(GOLD, GOLD).intent_correct is None
    assert scorer.score("no", GOLD).intent_correct is None
    names = [measure.name for measure in scorer.measures]
    assert "intent_accuracy" not in names
    assert names[-2:] == ["exact_match", "urgent_accuracy"]
    assert scorer.closed_fields == ("urgent",)


def test_an_absent_field_of_a_non_object_is_not_right():
    schema = {"properties": {"flag": {"type": "boolean"}}}
    scorer = JsonTaskScorer(JsonTask(kind="json_task", schema=schema, intent_field="a.b"))
    score = scorer.score("[]", "{}")
    assert score.intent_correct is False
    assert score.fields == {"flag": False}
    assert scorer.score("{}", "{}").exact_match
