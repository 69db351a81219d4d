"""Checks on metrics of either direction. (How a gate words them: workflows/tests/test_gate.py.)"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.domain.gate import Check, judge_checks

RULES = ("better_than_baseline", "not_worse_than_baseline")


def judge(rule: str, low: float, high: float, *, lower_is_better: bool | None) -> dict[str, Any]:
    found: dict[str, Any] = {"difference": (low + high) / 2, "low": low, "high": high}
    if lower_is_better is not None:
        found["lower_is_better"] = lower_is_better
    metrics = {"comparison": {"eval": {"perplexity": found}}}
    check = Check.model_validate({"metric": "perplexity", rule: True})
    (entry,) = judge_checks([check], "eval", metrics).checks
    return entry


@pytest.mark.parametrize(
    ("low", "high", "better", "not_worse"),
    [
        (-3.0, -1.0, True, True),
        (-3.0, 0.0, False, True),
        (-1.0, 1.0, False, True),
        (0.0, 0.0, False, True),
        (0.0, 2.0, False, True),
        (1.0, 3.0, False, False),
    ],
)
def test_where_less_is_better(low, high, better, not_worse):
    found = [judge(rule, low, high, lower_is_better=True)["passed"] for rule in RULES]
    assert found == [better, not_worse]


INTERVALS = st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).map(sorted)


@given(INTERVALS, st.sampled_from(RULES))
def test_the_direction_mirrors_the_verdict(interval, rule):
    low, high = interval
    mirrored = judge(rule, -high, -low, lower_is_better=True)
    assert mirrored["passed"] == judge(rule, low, high, lower_is_better=None)["passed"]
    assert mirrored["passed"] == judge(rule, low, high, lower_is_better=False)["passed"]


@given(INTERVALS, st.sampled_from([True, False, None]))
def test_what_is_better_is_not_worse(interval, direction):
    low, high = interval
    better, not_worse = (judge(rule, low, high, lower_is_better=direction) for rule in RULES)
    assert not_worse["passed"] or not better["passed"]


def test_the_message_says_which_side_was_wanted():
    better = judge("better_than_baseline", 0.5, 1.5, lower_is_better=True)["message"]
    assert better == (
        "difference to the baseline +1, 95 % interval [+0.5, +1.5] does not lie below 0"
    )
    assert judge("not_worse_than_baseline", 0.5, 1.5, lower_is_better=True)["message"].endswith(
        "lies above 0"
    )
    assert judge("not_worse_than_baseline", -1, 1, lower_is_better=True)["message"].endswith(
        "does not lie above 0"
    )


def test_bounds_know_no_direction():
    metrics = {"variants": {"plain": {"eval": {"perplexity": {"value": 4.0}}}}}
    for bound, passed in (({"at_most": 4.0}, True), ({"at_most": 3.9}, False)):
        check = Check.model_validate({"metric": "perplexity", **bound})
        assert judge_checks([check], "eval", metrics).passed is passed
