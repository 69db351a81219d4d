from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from graftline_workflows.gate import Check, Gate, judge_gate

METRICS: dict[str, Any] = {
    "role": "adapted",
    "variants": {
        "plain": {
            "eval": {
                "json_validity": {"value": 0.97, "low": 0.95, "high": 0.99, "n": 300},
                "entity_f1": {"value": 0.8, "low": 0.7, "high": 0.9, "n": 300},
                "odd": {"value": None, "n": 0},
                "nan": {"value": float("nan")},
            },
            "ood": {"json_validity": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 100}},
        }
    },
    "comparison": {
        "eval": {
            "json_validity": {"difference": 0.2, "low": 0.1, "high": 0.3},
            "entity_f1": {"difference": 0.05, "low": -0.01, "high": 0.11},
            "worse": {"difference": -0.2, "low": -0.3, "high": -0.1},
            "same": {"difference": 0.0, "low": 0.0, "high": 0.0},
        }
    },
}


def judge(**check: Any) -> dict[str, Any]:
    verdict = judge_gate(Gate(step="adapted", checks=[Check(**check)]), METRICS)
    (entry,) = verdict.checks
    assert verdict.passed == entry["passed"]
    return entry


@pytest.mark.parametrize(
    ("check", "passed"),
    [
        ({"metric": "json_validity", "at_least": 0.97}, True),
        ({"metric": "json_validity", "at_least": 0.9701}, False),
        ({"metric": "json_validity", "at_most": 0.97}, True),
        ({"metric": "json_validity", "at_most": 0.96}, False),
        ({"metric": "json_validity", "split": "ood", "at_least": 0.6}, False),
        ({"metric": "json_validity", "better_than_baseline": True}, True),
        ({"metric": "entity_f1", "better_than_baseline": True}, False),
        ({"metric": "entity_f1", "not_worse_than_baseline": True}, True),
        ({"metric": "worse", "not_worse_than_baseline": True}, False),
        ({"metric": "same", "better_than_baseline": True}, False),
        ({"metric": "same", "not_worse_than_baseline": True}, True),
    ],
)
def test_each_rule(check: dict[str, Any], passed: bool):
    assert judge(**check)["passed"] is passed


def test_an_entry_says_what_was_asked_and_found():
    assert judge(metric="json_validity", at_least=0.95) == {
        "metric": "json_validity",
        "split": "eval",
        "rule": "at_least",
        "value": 0.97,
        "required": 0.95,
        "passed": True,
        "message": "0.97 ≥ 0.95",
    }
    assert judge(metric="entity_f1", better_than_baseline=True)["message"] == (
        "difference to the baseline +0.05, 95 % interval [-0.01, +0.11] does not lie above 0"
    )


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"metric": "f2", "at_least": 0}, "metrics.json has no variants.plain.eval.f2"),
        ({"metric": "f2", "split": "x", "at_least": 0}, "metrics.json has no variants.plain.x"),
        ({"metric": "odd", "at_least": 0}, "variants.plain.eval.odd.value is no number (got None)"),
        ({"metric": "nan", "at_most": 9}, "variants.plain.eval.nan.value is no number (got nan)"),
        (
            {"metric": "odd", "better_than_baseline": True},
            "metrics.json has no comparison.eval.odd",
        ),
    ],
)
def test_what_is_missing_fails_its_check_and_says_so(check: dict[str, Any], message: str):
    entry = judge(**check)
    assert not entry["passed"]
    assert message in entry["message"]


@pytest.mark.parametrize("metrics", [{}, {"variants": None}, {"variants": [], "comparison": 3}])
def test_no_metrics_fail_every_check(metrics: dict[str, Any]):
    checks = [
        Check(metric="a", at_least=0, better_than_baseline=True),
        Check(metric="b", at_most=1),
    ]
    verdict = judge_gate(Gate(step="s", checks=checks), metrics)
    assert [entry["passed"] for entry in verdict.checks] == [False, False, False]
    assert not verdict.passed


def test_one_failed_check_fails_the_gate():
    checks = [Check(metric="json_validity", at_least=0.5), Check(metric="entity_f1", at_least=0.9)]
    verdict = judge_gate(Gate(step="s", checks=checks), METRICS)
    assert [entry["passed"] for entry in verdict.checks] == [True, False]
    assert verdict.as_json() == {"passed": False, "checks": verdict.checks}


def test_a_check_must_ask_something_and_a_gate_must_have_one():
    with pytest.raises(ValidationError, match="asks nothing"):
        Check(metric="a")
    with pytest.raises(ValidationError, match="at least 1 item"):
        Gate(step="s", checks=[])
