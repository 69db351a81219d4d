"""What the page says, gathered from metrics, judgements, rejects and manifests."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from graftline.domain.gate import Verdict, judge_checks
from graftline.errors import DataError
from graftline_report.judged import Judgements, read_judgements
from graftline_report.metrics import MetricRow, forgetting_sentence, metric_rows, split_names
from graftline_report.reading import read_json
from graftline_report.refusals import Refusal, count_refusals
from graftline_report.steps import StepFacts, order_steps

if TYPE_CHECKING:
    from pathlib import Path

    from graftline.ports import Inputs
    from graftline_report.config import ReportConfig


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
    free_text: bool
    adapter_active: float | None
    judgements: Judgements
    refusals: list[Refusal]
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        compared = [row for row in next(iter(self.splits.values()), []) if row.counted]
        better = [row for row in compared if row.better]
        if not compared:
            return "No adapter was compared with the base."
        return (
            f"The adapter is better than the base, beyond the 95 % interval of the paired"
            f" difference, in {len(better)} of {len(compared)} metrics."
        )

    @property
    def forgetting(self) -> str:
        """What is known of forgetting, in words; empty if nothing is."""
        return forgetting_sentence(self.splits.values())

    @property
    def refused_by(self) -> set[str]:
        """Steps whose rejects were read, and not only counted in their manifests."""
        return {refusal.step for refusal in self.refusals}

    def facts(self) -> dict[str, Any]:
        """Give everything as plain JSON."""
        return {**asdict(self), "sentence": self.sentence, "forgetting": self.forgetting}


def gather(config: ReportConfig, inputs: Inputs) -> Findings:
    """Read the inputs.

    Raises:
        DataError: A file is missing or is not what it should be.
    """
    metrics = {
        str(found.get("role")): found
        for found in (read_json(item.path / "metrics.json") for item in inputs.many("metrics"))
    }
    baseline, adapted = metrics.get("baseline", {}), metrics.get("adapted", {})
    verdict = judge_checks(config.checks, config.split, adapted) if config.checks else None
    splits = split_names(config.split, baseline, adapted)
    training = inputs.maybe("training")
    log = _read_log(training.path / "log.jsonl") if training else []
    data = inputs.maybe("data")
    steps = order_steps(item.manifest for items in inputs.ports.values() for item in items)
    active = adapted.get("adapter_active", {}).get("max_abs_logit_difference")
    return Findings(
        verdict=verdict,
        splits={name: metric_rows(name, baseline, adapted, verdict) for name in splits},
        variants=sorted(baseline.get("variants", {}), key=lambda name: name != "plain"),
        loss=_curve(log, "loss"),
        eval_loss=_curve(log, "eval_loss"),
        learning_rate=_curve(log, "learning_rate"),
        statistics=read_json(data.path / "statistics.json") if data else {},
        steps=steps,
        base_model=_base_model(inputs),
        decoding=adapted.get("decoding") or baseline.get("decoding") or {},
        free_text=(adapted or baseline).get("scorer", {}).get("kind") == "qa",
        adapter_active=active,
        judgements=read_judgements(inputs.many("judgements"), steps),
        refusals=count_refusals(inputs.many("rejects")),
        config=next((step.config for step in steps if step.stage == "train"), {}),
    )


def _read_log(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, ValueError) as error:
        raise DataError(f"the training log cannot be read: {error}") from error


def _curve(log: list[dict[str, Any]], name: str) -> list[tuple[float, float]]:
    return [(float(line["step"]), float(line[name])) for line in log if line.get(name) is not None]


def _base_model(inputs: Inputs) -> str:
    names = {
        item.manifest.base_model
        for items in inputs.ports.values()
        for item in items
        if item.manifest.base_model
    }
    return ", ".join(sorted(names))
