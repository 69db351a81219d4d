from __future__ import annotations

import itertools

import jsonschema

from graftline_generate.tickets.facts import (
    CLARIFYING_QUESTIONS,
    INTENTS,
    PRIORITIES,
    Facts,
    label,
    label_text,
)


def every_kind_of_facts():
    for intent, priority, order, product in itertools.product(
        INTENTS, PRIORITIES, (None, "ORD-00001"), (None, "Aurora Kettle")
    ):
        yield Facts(intent, priority, order, product)


def test_every_label_meets_the_strict_schema(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for facts in every_kind_of_facts():
        assert not list(validator.iter_errors(label(facts)))


def test_the_schema_refuses_what_is_not_a_ticket(schema):
    validator = jsonschema.Draft202012Validator(schema)
    good = label(Facts("refund", "low", None, None))
    question, ids = good["clarifying_question"], {"order_id": "ORD-1", "product": None}
    for wrong in (
        {"intent": "praise"},
        {"priority": "urgent"},
        {"entities": ids},
        {"entities": {"order_id": None}},
        {"entities": {**good["entities"], "colour": "red"}},
        {"clarifying_question": None},
        {"needs_clarification": False, "clarifying_question": question},
        {"mood": "angry"},
    ):
        assert list(validator.iter_errors(good | wrong)), wrong


def test_a_question_is_asked_exactly_when_a_needed_order_id_is_missing():
    for facts in every_kind_of_facts():
        ticket = label(facts)
        needed = facts.intent in {"refund", "cancel", "shipping", "billing"}
        assert ticket["needs_clarification"] == (needed and facts.order_id is None)
        assert (ticket["clarifying_question"] is not None) == ticket["needs_clarification"]
    assert len(set(CLARIFYING_QUESTIONS.values())) == 4


def test_keys_are_written_in_their_order():
    assert label_text(Facts("other", "low", None, "Café Mug")) == (
        '{"intent": "other", "priority": "low", "entities": {"order_id": null, '
        '"product": "Café Mug"}, "needs_clarification": false, "clarifying_question": null}'
    )
