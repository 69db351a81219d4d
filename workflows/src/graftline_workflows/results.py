"""What a run came to: its metrics side by side (baseline, adapted, target), and its verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graftline.canonical import sha256_bytes
from graftline.domain.figures import are_shares
from graftline.errors import BugError, TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from graftline.v1.manifest_pb2 import Manifest
    from graftline_workflows.gate import Gate, Verdict
    from graftline_workflows.session import StoreSession

METRICS_FILE = "metrics.json"
_ADAPTED_VARIANT = "plain"
_LARGE = 1000


@dataclass(frozen=True)
class Figure:
    """A metric's value with its 95 % interval.

    Args:
        value: The value.
        low: The interval's lower end.
        high: Its upper end.
        variant: The prompt variant that it was reached with.
    """

    value: float
    low: float | None
    high: float | None
    variant: str


@dataclass(frozen=True)
class ResultRow:
    """One line of the results table.

    Args:
        metric: The metric's name.
        split: The split that it was measured on.
        baseline: The base model's, if there is one.
        adapted: The adapter's, if there is one.
        target: What the gate asks of it, one text a rule.
        passed: Whether all of that holds.
        share: Whether its figures lie in [0, 1] and are told in per cent.
    """

    metric: str
    split: str
    baseline: Figure | None
    adapted: Figure | None
    target: tuple[str, ...]
    passed: bool
    share: bool


@dataclass(frozen=True)
class Judgement:
    """What the gate says of a run, and the figures that it went by.

    Args:
        verdict: The gate's; nothing where there is no gate, or its step is not there.
        rows: The results table.
        metrics: All metrics, as `metrics_summary` gives them.
    """

    verdict: Verdict | None = None
    rows: tuple[ResultRow, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)


def judge_run(
    session: StoreSession, gate: Gate | None, manifests: Mapping[str, Manifest]
) -> Judgement:
    """Judge a run by the manifests of its steps, given by the steps' names.

    Raises:
        GraftlineError: The metrics cannot be read.
    """
    from graftline_workflows.gate import judge_gate

    manifest = manifests.get(gate.step) if gate is not None else None
    if gate is None or manifest is None:
        return Judgement()
    adapted = read_metrics(session, manifest)
    baseline = baseline_metrics(session, manifest)
    verdict = judge_gate(gate, adapted)
    rows = tuple(result_rows(verdict.checks, adapted, baseline))
    return Judgement(verdict, rows, metrics_summary(adapted, baseline))


def unmet(verdict: Verdict) -> str:
    """Say in one line what a verdict misses."""
    missed = [check for check in verdict.checks if not check["passed"]]
    told = [f"{check['metric']} ({check['split']}) {check['message']}" for check in missed]
    return f"gate not met: {'; '.join(told)}"


def page_of(folder: Path) -> Path:
    """Give the one HTML page of a report's folder, else the folder."""
    pages = sorted(folder.glob("*.html"))
    return pages[0] if len(pages) == 1 else folder


def read_metrics(session: StoreSession, manifest: Manifest) -> dict[str, Any]:
    """Read the `metrics.json` of a step, its digest verified.

    Raises:
        BugError: The step made none.
        TransientError: It is damaged; it was thrown away, so that the next run builds it again.
    """
    for output in manifest.outputs:
        for blob in output.artifact.blobs:
            if blob.path != METRICS_FILE:
                continue
            name = f"steps/{manifest.key}/blobs/{blob.sha256}"
            found = session.store.get(name)
            if found is not None and sha256_bytes(found.data) == blob.sha256:
                metrics: dict[str, Any] = json.loads(found.data)
                return metrics
            session.store.delete([name])
            raise TransientError(
                f"{METRICS_FILE} of step '{manifest.step}' is damaged in the store",
                "run the same command again: it will be built anew",
            )
    raise BugError(f"step '{manifest.step}' made no {METRICS_FILE}")


def baseline_metrics(session: StoreSession, manifest: Manifest) -> dict[str, Any]:
    """Read the metrics of the step that an adapted evaluation was compared with; {} if none."""
    for item in manifest.inputs:
        if item.port == "baseline":
            lookup = session.manifests.lookup(item.key)
            return read_metrics(session, lookup.manifest) if lookup.manifest is not None else {}
    return {}


def result_rows(
    checks: Sequence[Mapping[str, Any]], adapted: Mapping[str, Any], baseline: Mapping[str, Any]
) -> list[ResultRow]:
    """Make a row for each metric and split that the gate names, in its order."""
    rows = []
    for metric, split in dict.fromkeys((check["metric"], check["split"]) for check in checks):
        rules = [item for item in checks if (item["metric"], item["split"]) == (metric, split)]
        share = are_shares(_told(metric, split, adapted, baseline))
        rows.append(
            ResultRow(
                metric,
                split,
                _baseline_figure(metric, split, adapted, baseline),
                _figure(adapted, _ADAPTED_VARIANT, split, metric),
                tuple(_target(rule, share=share) for rule in rules),
                all(rule["passed"] for rule in rules),
                share,
            )
        )
    return rows


def metrics_summary(adapted: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, Any]:
    """Give every metric of every split as {split: {metric: {baseline, adapted, difference}}}."""
    splits: Mapping[str, Any] = adapted.get("variants", {}).get(_ADAPTED_VARIANT, {})
    return {
        split: {
            metric: {
                "baseline": _as_json(_baseline_figure(metric, split, adapted, baseline)),
                "adapted": _as_json(_figure(adapted, _ADAPTED_VARIANT, split, metric)),
                "difference": _difference(adapted, split, metric),
            }
            for metric in metrics
        }
        for split, metrics in splits.items()
    }


def _difference(adapted: Mapping[str, Any], split: str, metric: str) -> dict[str, Any] | None:
    compared = adapted.get("comparison", {}).get(split, {}).get(metric)
    if not isinstance(compared, dict):
        return None
    names = {"difference": "value", "low": "low", "high": "high", "p_value": "p_value"}
    return {name: compared.get(source) for source, name in names.items()}


def _baseline_figure(
    metric: str, split: str, adapted: Mapping[str, Any], baseline: Mapping[str, Any]
) -> Figure | None:
    compared = adapted.get("comparison", {}).get(split, {}).get(metric, {})
    variant = compared.get("baseline_variant", _ADAPTED_VARIANT)
    found = _figure(baseline, variant, split, metric)
    if found is None and isinstance(compared.get("baseline"), int | float):
        return Figure(float(compared["baseline"]), None, None, variant)
    return found


def _told(metric: str, split: str, *metrics: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give all that evaluations say of one metric, whatever the prompt variant."""
    found = (
        splits.get(split, {}).get(metric)
        for each in metrics
        for splits in each.get("variants", {}).values()
    )
    return [item for item in found if isinstance(item, dict)]


def _figure(metrics: Mapping[str, Any], variant: str, split: str, metric: str) -> Figure | None:
    found = metrics.get("variants", {}).get(variant, {}).get(split, {}).get(metric, {})
    value = found.get("value") if isinstance(found, dict) else None
    if not isinstance(value, int | float):
        return None
    return Figure(float(value), found.get("low"), found.get("high"), variant)


def spell_figure(value: float, *, share: bool, unit: str = "") -> str:
    """Spell a metric's value for people: in per cent if it is a share, else as it is."""
    if share:
        return f"{100 * value:.1f}{unit}"
    return f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:.4g}"


def _target(rule: Mapping[str, Any], *, share: bool) -> str:
    required = f"{100 * rule['required']:g} %" if share else f"{rule['required']:.4g}"
    texts = {
        "at_least": f"≥ {required}",
        "at_most": f"≤ {required}",
        "better_than_baseline": "better",
        "not_worse_than_baseline": "not worse",
    }
    return texts.get(rule["rule"], str(rule["rule"]))


def _as_json(figure: Figure | None) -> dict[str, Any] | None:
    return None if figure is None else dict(vars(figure))
