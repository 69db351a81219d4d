"""Checks on metrics: what must hold of them, and one way to judge it.

A check looks at one metric of one split of a `metrics.json` (the evaluate stage's):

- `at_least` / `at_most`: the adapter's value, at the training prompt, against a number;
- `better_than_baseline`: the whole 95 % interval of the paired difference (adapted - baseline) lies
  above 0. The baseline is the better of its variants for that metric, as the evaluate stage chose;
- `not_worse_than_baseline`: that interval does not lie below 0, for a metric at which the base is
  already at its best.

Where less is better (a perplexity), "above" and "below" change places in the last two. That stands
in metrics.json, as `lower_is_better` beside the difference; no recipe says it.

The paired interval tests the question asked, "is the adapter better on examples like these?"; two
separate intervals that do not overlap would ask for more than that, at no stated level.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from graftline.config import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

VARIANT = "plain"


class Check(Settings):
    """What one metric must be."""

    metric: str = Field(description="Name in metrics.json: json_validity, entity_f1, ….")
    split: str | None = Field(None, description="The split to look at; the gate's if not given.")
    at_least: float | None = Field(None, description="The value must not be below this.")
    at_most: float | None = Field(None, description="The value must not be above this.")
    better_than_baseline: bool = Field(
        False,
        description="The paired difference's 95 % interval must lie above 0; below 0 where less "
        "is better.",
    )
    not_worse_than_baseline: bool = Field(
        False,
        description="The paired difference's 95 % interval must not lie below 0; not above 0 "
        "where less is better.",
    )

    @model_validator(mode="after")
    def _asks_something(self) -> Check:
        compares = self.better_than_baseline or self.not_worse_than_baseline
        if self.at_least is None and self.at_most is None and not compares:
            raise ValueError(
                "asks nothing: give at_least, at_most, better_than_baseline or "
                "not_worse_than_baseline"
            )
        return self


@dataclass(frozen=True)
class Verdict:
    """What the gate says.

    Args:
        passed: Whether every check passed.
        checks: For each rule: `metric`, `split`, `rule`, `value`, `required`, `passed`, `message`.
    """

    passed: bool
    checks: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return asdict(self)


def judge_checks(checks: Sequence[Check], split: str, metrics: Mapping[str, Any]) -> Verdict:
    """Judge a `metrics.json`; what is missing or no number fails its check.

    Args:
        checks: What must hold, all of it.
        split: The split to look at where a check names none.
        metrics: The evaluate stage's.
    """
    entries = [entry for check in checks for entry in _judge(check, check.split or split, metrics)]
    return Verdict(all(entry["passed"] for entry in entries), entries)


def _judge(check: Check, split: str, metrics: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    value, missing = _number(metrics, "variants", VARIANT, split, check.metric, "value")
    for rule, bound in (("at_least", check.at_least), ("at_most", check.at_most)):
        if bound is None:
            continue
        passed = value is not None and (value >= bound if rule == "at_least" else value <= bound)
        sign = {"at_least": "≥", "at_most": "≤"}[rule]
        said = missing or f"{_figure(value)} {sign if passed else 'is not ' + sign} {bound:g}"
        yield _entry(check.metric, split, rule, value, bound, passed, said)
    for rule in ("better_than_baseline", "not_worse_than_baseline"):
        if getattr(check, rule):
            yield _compare(check.metric, split, rule, metrics)


def _compare(metric: str, split: str, rule: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    difference, missing = _number(metrics, "comparison", split, metric, "difference")
    low, no_low = _number(metrics, "comparison", split, metric, "low")
    high, no_high = _number(metrics, "comparison", split, metric, "high")
    missing = missing or no_low or no_high
    if difference is None or low is None or high is None:
        return _entry(metric, split, rule, difference, 0.0, False, missing)
    lower_is_better = metrics["comparison"][split][metric].get("lower_is_better") is True
    better, worse = ("below", "above") if lower_is_better else ("above", "below")
    if rule == "better_than_baseline":
        passed = high < 0 if lower_is_better else low > 0
        wanted, unmet = f"lies {better} 0", f"does not lie {better} 0"
    else:
        passed = low <= 0 if lower_is_better else high >= 0
        wanted, unmet = f"does not lie {worse} 0", f"lies {worse} 0"
    said = (
        f"difference to the baseline {difference:+.4g}, "
        f"95 % interval [{low:+.4g}, {high:+.4g}] {wanted if passed else unmet}"
    )
    return _entry(metric, split, rule, difference, 0.0, passed, said)


def _entry(
    metric: str,
    split: str,
    rule: str,
    value: float | None,
    required: float,
    passed: bool,
    message: str,
) -> dict[str, Any]:
    return {
        "metric": metric,
        "split": split,
        "rule": rule,
        "value": value,
        "required": required,
        "passed": passed,
        "message": message,
    }


def _number(metrics: Mapping[str, Any], *path: str) -> tuple[float | None, str]:
    """Give the number at a path, or nothing and what is missing."""
    value: Any = metrics
    for depth, name in enumerate(path):
        if not isinstance(value, dict) or name not in value:
            return None, f"metrics.json has no {'.'.join(path[: depth + 1])}"
        value = value[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None, f"metrics.json: {'.'.join(path)} is no number (got {value!r})"
    return float(value), ""


def _figure(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.4g}"
