"""Overall and verdict, by our own arithmetic."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline_judge.config import Limits, Weights
from graftline_judge.scoring import judged, overall_of, unjudged, verdict_of

SCORE = st.integers(0, 10)


def said(accuracy, completeness, consistency):
    return {
        "factual_accuracy": accuracy,
        "completeness": completeness,
        "consistency": consistency,
        "issues": [],
        "recommendation": "",
    }


def verdict(accuracy, completeness, consistency):
    found = judged(said(accuracy, completeness, consistency), Weights(), Limits())
    return found["overall"], found["verdict"]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ((8, 8, 8), (8.0, "PASS")),  # exactly at both limits
        ((8, 8, 7), (7.8, "NEEDS_REVIEW")),  # just below overall
        ((8, 10, 5), (8.0, "PASS")),  # 4 + 3 + 1: exactly 8 by other scores
        ((7, 10, 10), (8.5, "NEEDS_REVIEW")),  # overall would do, accuracy does not
        ((6, 6, 6), (6.0, "NEEDS_REVIEW")),  # exactly 6 does not fail
        ((6, 6, 5), (5.8, "FAIL")),
        ((5, 7, 7), (6.0, "NEEDS_REVIEW")),  # exactly 5 does not fail
        ((4, 10, 10), (7.0, "FAIL")),  # accuracy alone fails
        ((0, 0, 0), (0.0, "FAIL")),
        ((10, 10, 10), (10.0, "PASS")),
    ],
)
def test_the_limits(scores, expected):
    assert verdict(*scores) == expected


@given(SCORE, SCORE, SCORE)
def test_overall_is_exact_and_between_the_scores(accuracy, completeness, consistency):
    scores = {
        "factual_accuracy": accuracy,
        "completeness": completeness,
        "consistency": consistency,
    }
    overall = overall_of(scores, Weights())
    assert overall == Fraction(5 * accuracy + 3 * completeness + 2 * consistency, 10)
    assert min(scores.values()) <= overall <= max(scores.values())
    found = verdict_of(overall, accuracy, Limits())
    if overall >= 8 and accuracy >= 8:
        assert found == "PASS"
    elif overall < 6 or accuracy < 5:
        assert found == "FAIL"
    else:
        assert found == "NEEDS_REVIEW"


def test_a_score_may_be_written_with_a_point():
    assert judged(said(8.0, 8.0, 8.0), Weights(), Limits())["factual_accuracy"] == 8


def test_unjudged_has_the_same_keys_and_no_numbers():
    nothing = unjudged("not-json", "detail")
    assert set(nothing) == set(judged(said(1, 2, 3), Weights(), Limits()))
    assert not [value for value in nothing.values() if isinstance(value, int | float)]
