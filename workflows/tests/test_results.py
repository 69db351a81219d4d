from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from graftline_workflows.cli.print_run import _results_table
from graftline_workflows.gate import Gate, judge_gate
from graftline_workflows.results import Figure, metrics_summary, result_rows, spell_figure


def figure(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": min(1.0, value + 0.1), "n": 50}


BASELINE = {
    "variants": {
        "plain": {"eval": {"f1": figure(0.2), "validity": figure(0.3)}},
        "few_shot": {"eval": {"f1": figure(0.4), "validity": figure(0.1)}},
    }
}


def compared(baseline: float, variant: str, adapted: float) -> dict[str, object]:
    difference = adapted - baseline
    return {
        "baseline": baseline,
        "baseline_variant": variant,
        "adapted": adapted,
        "difference": difference,
        "low": difference - 0.05,
        "high": difference + 0.05,
        "p_value": 0.01,
    }


ADAPTED = {
    "variants": {"plain": {"eval": {"f1": figure(0.9), "validity": figure(0.95)}}},
    "comparison": {
        "eval": {"f1": compared(0.4, "few_shot", 0.9), "validity": compared(0.3, "plain", 0.95)}
    },
}
GATE = Gate.model_validate(
    {
        "step": "adapted",
        "checks": [
            {"metric": "validity", "at_least": 0.99, "better_than_baseline": True},
            {"metric": "f1", "better_than_baseline": True},
        ],
    }
)


def test_rows_hold_the_better_baseline_with_its_interval_and_the_gates_targets() -> None:
    verdict = judge_gate(GATE, ADAPTED)
    validity, f1 = result_rows(verdict.checks, ADAPTED, BASELINE)
    assert (validity.metric, validity.target, validity.passed) == (
        "validity",
        ("≥ 99 %", "better"),
        False,
    )
    assert validity.baseline is not None
    assert validity.baseline.variant == "plain"
    assert f1.passed
    assert f1.baseline == Figure(0.4, 0.4 - 0.1, 0.4 + 0.1, "few_shot")
    assert f1.adapted == Figure(0.9, 0.9 - 0.1, 0.9 + 0.1, "plain")


def test_a_run_without_its_baselines_file_still_has_the_compared_value() -> None:
    rows = result_rows(judge_gate(GATE, ADAPTED).checks, ADAPTED, {})
    assert rows[1].baseline == Figure(0.4, None, None, "few_shot")


def test_missing_metrics_leave_empty_cells() -> None:
    (row,) = result_rows(judge_gate(GATE, {}).checks[-1:], {}, {})
    assert (row.baseline, row.adapted, row.passed) == (None, None, False)


def test_summary_has_every_metric_of_every_split() -> None:
    summary = metrics_summary(ADAPTED, BASELINE)
    assert set(summary) == {"eval"}
    assert set(summary["eval"]) == {"f1", "validity"}
    assert summary["eval"]["f1"]["difference"]["value"] == 0.5
    assert summary["eval"]["f1"]["baseline"]["variant"] == "few_shot"


def test_a_perplexity_is_no_share() -> None:
    def perplexity(value: float) -> dict[str, Any]:
        found = {"value": value, "low": value - 1, "high": value + 1, "lower_is_better": True}
        return {"variants": {"plain": {"eval": {"perplexity": found}}}}

    gate = Gate.model_validate(
        {"step": "adapted", "checks": [{"metric": "perplexity", "at_most": 20}]}
    )
    adapted, baseline = perplexity(12.34), perplexity(31.5)
    (row,) = result_rows(judge_gate(gate, adapted).checks, adapted, baseline)
    assert not row.share
    assert row.target == ("≤ 20",)
    out = io.StringIO()
    Console(file=out, width=120).print(_results_table([row]))
    assert "31.5 [30.5, 32.5]" in out.getvalue()
    assert "12.34 [11.34, 13.34]" in out.getvalue()
    assert "%" not in out.getvalue()


@pytest.mark.parametrize(
    ("value", "share", "wanted"),
    [(0.1234, True, "12.3"), (7.25, False, "7.25"), (54321.9, False, "54,322")],
)
def test_figures_are_spelled_for_people(value: float, share: bool, wanted: str) -> None:
    assert spell_figure(value, share=share) == wanted
