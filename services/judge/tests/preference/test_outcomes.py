"""What the two orders come to."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.llm.request import LlmFailure, LlmReply
from graftline_judge.preference.outcomes import outcome_of, sentence, summarise

CHOICES = ("A", "B", "tie", None)


def said(choice):
    if choice is None:
        return LlmFailure("not-json", "no JSON")
    return LlmReply("", {"better": choice}, "", 1, 1, None, False, 1, False, 0)


def outcome(baseline_first, adapted_first):
    return outcome_of({"baseline": said(baseline_first), "adapted": said(adapted_first)})


@pytest.mark.parametrize(
    ("baseline_first", "adapted_first", "expected", "score"),
    [
        ("A", "B", "baseline", 0.0),
        ("B", "A", "adapted", 1.0),
        ("tie", "tie", "tie", 0.5),
        ("A", "A", "inconsistent", 0.5),  # the first, whichever it is
        ("B", "B", "inconsistent", 0.5),
        ("A", "tie", "inconsistent", 0.5),
        (None, "A", "unjudged", None),
        ("B", None, "unjudged", None),
    ],
)
def test_the_two_orders(baseline_first, adapted_first, expected, score):
    found = outcome(baseline_first, adapted_first)
    assert (found["outcome"], found["score"]) == (expected, score)
    assert found["reason"] == ("not-json" if expected == "unjudged" else "")


def test_swapping_the_models_turns_the_outcome_round():
    turned = {"adapted": "baseline", "baseline": "adapted"}
    for one, other in product(CHOICES, CHOICES):
        found, swapped = outcome(one, other), outcome(other, one)
        assert swapped["outcome"] == turned.get(found["outcome"], found["outcome"])
        if found["score"] is not None:
            assert swapped["score"] == 1 - found["score"]


@given(st.lists(st.tuples(st.sampled_from(CHOICES), st.sampled_from(CHOICES)), max_size=60))
def test_counts_add_up_and_the_rate_is_within_its_interval(choices):
    rows = [outcome(*pair) for pair in choices]
    found = summarise(rows)
    kinds = ("adapted", "baseline", "ties", "inconsistent", "unjudged")
    assert sum(found[name] for name in kinds) == found["rows"] == len(rows)
    assert sum(found["unjudged_reasons"].values()) == found["unjudged"]
    judged = len(rows) - found["unjudged"]
    if not judged:
        assert found["win_rate"] is found["interval"] is None
        return
    halves = found["ties"] + found["inconsistent"]
    assert found["win_rate"] == pytest.approx((found["adapted"] + halves / 2) / judged, abs=1e-4)
    assert 0 <= found["interval"]["low"] <= found["win_rate"] + 1e-4
    assert found["win_rate"] - 1e-4 <= found["interval"]["high"] <= 1
    turned = summarise([outcome(other, one) for one, other in choices])
    assert turned["win_rate"] == pytest.approx(1 - found["win_rate"], abs=1.1e-4)
    assert turned["position_bias"] == found["position_bias"]


def test_wilsons_interval_is_his():
    """35 of 50: 0.562 to 0.809, as in the literature."""
    found = summarise([outcome("B", "A")] * 35 + [outcome("A", "B")] * 15)
    assert found["interval"] == pytest.approx({"low": 0.562, "high": 0.809}, abs=1e-3)


def test_a_judge_that_takes_the_first_is_found_out():
    found = summarise([outcome("A", "A")] * 30)
    assert (found["position_bias"], found["inconsistent"], found["win_rate"]) == (1.0, 30, 0.5)
    assert "goes by their order" in sentence(found)
    assert summarise([outcome("B", "B")] * 3)["position_bias"] == 0.0
    assert summarise([outcome("tie", "tie")])["position_bias"] is None


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (("B", "A"), "The adapted model's answers are preferred: the adapted model wins 100%"),
        (("A", "B"), "The baseline's answers are preferred: the adapted model wins 0%"),
        (("tie", "tie"), "Neither model's answers are clearly preferred"),
        ((None, None), "not known"),
    ],
)
def test_it_is_said_plainly(pair, words):
    assert words in sentence(summarise([outcome(*pair)] * 40))
