"""What the page says, gathered from metrics and manifests."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from graftline.domain.gate import Verdict, judge_checks
from graftline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from graftline.ports import Inputs
    from graftline.v1.manifest_pb2 import Manifest
    from graftline_report.config import ReportConfig

LABELS = {
    "json_validity": "JSON validity",
    "schema_compliance": "Schema compliance",
    "intent_accuracy": "Intent accuracy",
    "entity_precision": "Entity precision",
    "entity_recall": "Entity recall",
    "entity_f1": "Entity extraction (F1)",
    "exact_match": "Exact match",
}
_FIRST = ("json_validity", "schema_compliance", "intent_accuracy", "entity_f1")


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int | None = None


@dataclass(frozen=True)
class MetricRow:
    """One metric of one split: base variants, adapter, difference, target."""

    metric: str
    label: str
    baseline: dict[str, Interval]
    adapted: Interval | None
    difference: Interval | None
    against: str
    target: float | None
    passed: bool | None
    main: bool


@dataclass(frozen=True)
class StepFacts:
    """What one step's manifest says."""

    step: str
    stage: str
    key: str
    identity: str
    image: str
    parents: tuple[str, ...]
    rows_in: int | None
    rows_out: int | None
    rejected: dict[str, int]
    wall_seconds: float | None
    gpu_seconds: float | None
    peak_memory_bytes: int | None
    tokens: int | None
    usd: float | None
    config: dict[str, Any]
    figures: dict[str, float]


@dataclass(frozen=True)
class Findings:
    """All that the page says, but for the examples."""

    verdict: Verdict | None
    splits: dict[str, list[MetricRow]]
    variants: list[str]
    loss: list[tuple[float, float]]
    eval_loss: list[tuple[float, float]]
    learning_rate: list[tuple[float, float]]
    statistics: dict[str, Any]
    steps: list[StepFacts]
    base_model: str
    decoding: dict[str, Any]
    adapter_active: float | None
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        rows = next(iter(self.splits.values()), [])
        compared = [row for row in rows if row.metric in _FIRST and row.difference]
        better = [row for row in compared if row.difference and row.difference.low > 0]
        if not compared:
            return "No adapter was compared with the base."
        return (
            f"The adapter is better than the base, beyond the 95 % interval of the paired"
            f" difference, in {len(better)} of {len(compared)} metrics."
        )

    def facts(self) -> dict[str, Any]:
        """Give everything as plain JSON."""
        return {**asdict(self), "sentence": self.sentence}


def gather(config: ReportConfig, inputs: Inputs) -> Findings:
    """Read the inputs.

    Raises:
        DataError: A file is missing or is no JSON.
    """
    metrics = {
        str(found.get("role")): found
        for found in (_read_json(item.path / "metrics.json") for item in inputs.many("metrics"))
    }
    baseline, adapted = metrics.get("baseline", {}), metrics.get("adapted", {})
    verdict = judge_checks(config.checks, config.split, adapted) if config.checks else None
    splits = _split_names(config.split, baseline, adapted)
    training = inputs.maybe("training")
    log = _read_log(training.path / "log.jsonl") if training else []
    data = inputs.maybe("data")
    steps = _steps(item.manifest for items in inputs.ports.values() for item in items)
    active = adapted.get("adapter_active", {}).get("max_abs_logit_difference")
    return Findings(
        verdict=verdict,
        splits={name: _metric_rows(name, baseline, adapted, verdict) for name in splits},
        variants=sorted(baseline.get("variants", {}), key=lambda name: name != "plain"),
        loss=_curve(log, "loss"),
        eval_loss=_curve(log, "eval_loss"),
        learning_rate=_curve(log, "learning_rate"),
        statistics=_read_json(data.path / "statistics.json") if data else {},
        steps=steps,
        base_model=_base_model(inputs),
        decoding=adapted.get("decoding") or baseline.get("decoding") or {},
        adapter_active=active,
        config=next((step.config for step in steps if step.stage == "train"), {}),
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} of the inputs cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path.name} of the inputs is no JSON object")
    return found


def _read_log(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, ValueError) as error:
        raise DataError(f"the training log cannot be read: {error}") from error


def _curve(log: list[dict[str, Any]], name: str) -> list[tuple[float, float]]:
    return [(float(line["step"]), float(line[name])) for line in log if line.get(name) is not None]


def _split_names(first: str, *metrics: dict[str, Any]) -> list[str]:
    names = {
        split
        for found in metrics
        for variant in found.get("variants", {}).values()
        for split in variant
    }
    return sorted(names, key=lambda name: (name != first, name))


def _metric_rows(
    split: str, baseline: dict[str, Any], adapted: dict[str, Any], verdict: Verdict | None
) -> list[MetricRow]:
    variants = baseline.get("variants", {})
    own = adapted.get("variants", {}).get("plain", {}).get(split, {})
    names = {name for variant in variants.values() for name in variant.get(split, {})} | set(own)
    comparison = adapted.get("comparison", {}).get(split, {})
    rows = []
    for name in sorted(names, key=_order):
        compared = comparison.get(name)
        checks = [
            check
            for check in (verdict.checks if verdict else [])
            if check["metric"] == name and check["split"] == split
        ]
        target = next((c["required"] for c in checks if c["rule"] == "at_least"), None)
        rows.append(
            MetricRow(
                metric=name,
                label=LABELS.get(name, name.replace("_", " ").capitalize()),
                baseline={
                    variant: _interval(found[split][name])
                    for variant, found in variants.items()
                    if name in found.get(split, {})
                },
                adapted=_interval(own[name]) if name in own else None,
                difference=(
                    Interval(compared["difference"], compared["low"], compared["high"])
                    if compared
                    else None
                ),
                against=compared["baseline_variant"] if compared else "",
                target=target,
                passed=all(check["passed"] for check in checks) if checks else None,
                main=name in _FIRST or bool(checks),
            )
        )
    return rows


def _order(name: str) -> tuple[int, str]:
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)


def _interval(found: dict[str, Any]) -> Interval:
    return Interval(found["value"], found["low"], found["high"], found.get("n"))


def _base_model(inputs: Inputs) -> str:
    names = {
        item.manifest.base_model
        for items in inputs.ports.values()
        for item in items
        if item.manifest.base_model
    }
    return ", ".join(sorted(names))


def _steps(manifests: Iterable[Manifest]) -> list[StepFacts]:
    """Give each step once, in an order in which what was read comes before what read it."""
    by_key = {manifest.key: manifest for manifest in manifests}
    ordered: list[Manifest] = []
    placed: set[str] = set()

    def place(manifest: Manifest) -> None:
        if manifest.key in placed:
            return
        placed.add(manifest.key)
        for item in manifest.inputs:
            if item.key in by_key:
                place(by_key[item.key])
        ordered.append(manifest)

    for key in sorted(by_key, key=lambda key: (by_key[key].started_at.ToNanoseconds(), key)):
        place(by_key[key])
    return [_step_facts(manifest) for manifest in ordered]


def _step_facts(manifest: Manifest) -> StepFacts:
    cost = manifest.cost
    tokens = [
        getattr(cost, name)
        for name in ("input_tokens", "output_tokens")
        if cost.HasField(name)  # type: ignore[arg-type]
    ]
    return StepFacts(
        step=manifest.step,
        stage=manifest.stage,
        key=manifest.key,
        identity=manifest.identity,
        image=manifest.image,
        parents=tuple(dict.fromkeys(item.step for item in manifest.inputs)),
        rows_in=manifest.rows_in if manifest.HasField("rows_in") else None,
        rows_out=manifest.rows_out if manifest.HasField("rows_out") else None,
        rejected={reject.reason: reject.rows for reject in manifest.rejected},
        wall_seconds=cost.wall_seconds if cost.HasField("wall_seconds") else None,
        gpu_seconds=cost.gpu_seconds if cost.HasField("gpu_seconds") else None,
        peak_memory_bytes=cost.peak_memory_bytes if cost.HasField("peak_memory_bytes") else None,
        tokens=sum(tokens) if tokens else None,
        usd=cost.usd if cost.HasField("usd") else None,
        config=json.loads(manifest.config or "{}"),
        figures=dict(sorted(manifest.figures.items())),
    )
