"""The evaluation's metrics, split by split: base, adapter, difference and target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.domain.figures import are_shares
from graftline_report.spelling import spell_figure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graftline.domain.gate import Verdict

LABELS = {
    "json_validity": "JSON validity",
    "schema_compliance": "Schema compliance",
    "intent_accuracy": "Intent accuracy",
    "entity_precision": "Entity precision",
    "entity_recall": "Entity recall",
    "entity_f1": "Entity extraction (F1)",
    "exact_match": "Exact match",
    "token_f1": "Words in common (token F1)",
    "rouge_l": "Words in order (ROUGE-L)",
    "perplexity": "Perplexity of the expected answers",
    "forgetting_perplexity": "Perplexity of unrelated texts",
}
_FIRST = (
    *("json_validity", "schema_compliance", "intent_accuracy", "entity_f1"),
    *("token_f1", "rouge_l", "perplexity"),
)
"""What the adapter is trained for, and the verdict's sentence counts."""

FORGETTING = "forgetting_perplexity"


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int | None = None


@dataclass(frozen=True)
class MetricRow:
    """One metric of one split.

    Args:
        metric: Its name in metrics.json.
        label: For people.
        baseline: The base's figure by variant.
        adapted: The adapter's.
        difference: The paired difference, adapter less base.
        against: The base's variant that it is the difference to.
        target: What the gate asks of the value, if anything.
        at_most: Whether the value must not be above the target, instead of below.
        passed: Whether it does what the gate asks of it, if anything.
        main: Whether it stands in the first table.
        lower_is_better: As of a perplexity.
        share: Whether it lies in [0, 1] and is told in per cent.
    """

    metric: str
    label: str
    baseline: dict[str, Interval]
    adapted: Interval | None
    difference: Interval | None
    against: str
    target: float | None
    at_most: bool
    passed: bool | None
    main: bool
    lower_is_better: bool
    share: bool

    @property
    def counted(self) -> bool:
        """Whether the verdict's sentence counts it."""
        return self.metric in _FIRST and self.difference is not None

    @property
    def better(self) -> bool:
        """Whether the whole interval of the difference speaks for the adapter."""
        return self._beyond(lower=self.lower_is_better)

    @property
    def worse(self) -> bool:
        """Whether the whole interval of the difference speaks against it."""
        return self._beyond(lower=not self.lower_is_better)

    def _beyond(self, *, lower: bool) -> bool:
        if self.difference is None:
            return False
        return self.difference.high < 0 if lower else self.difference.low > 0

    def spell(self, value: float, *, unit: bool = False) -> str:
        """Spell a value of it: per cent of a share, else as it is."""
        if self.share:
            return f"{100 * value:.1f}{' %' if unit else ''}"
        return spell_figure(value)

    def spell_difference(self, value: float) -> str:
        """Spell a difference of it, with its sign: in points of a share, else as it is."""
        return f"{100 * value:+.1f}" if self.share else f"{value:+.4g}"


def split_names(first: str, *metrics: dict[str, Any]) -> list[str]:
    """Give the splits of the evaluations, the one that the verdict is about first."""
    names = {
        split
        for found in metrics
        for variant in found.get("variants", {}).values()
        for split in variant
    }
    return sorted(names, key=lambda name: (name != first, name))


def metric_rows(
    split: str, baseline: dict[str, Any], adapted: dict[str, Any], verdict: Verdict | None
) -> list[MetricRow]:
    """Give the metrics of one split, those that it is about first."""
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
        bound = next((c for c in checks if c["rule"] in ("at_least", "at_most")), None)
        figures = {
            variant: found[split][name]
            for variant, found in variants.items()
            if name in found.get(split, {})
        }
        told = [*figures.values(), *([own[name]] if name in own else [])]
        rows.append(
            MetricRow(
                metric=name,
                label=LABELS.get(name, name.replace("_", " ").capitalize()),
                baseline={variant: _interval(found) for variant, found in figures.items()},
                adapted=_interval(own[name]) if name in own else None,
                difference=(
                    Interval(compared["difference"], compared["low"], compared["high"])
                    if compared
                    else None
                ),
                against=compared["baseline_variant"] if compared else "",
                target=bound["required"] if bound else None,
                at_most=bound is not None and bound["rule"] == "at_most",
                passed=all(check["passed"] for check in checks) if checks else None,
                main=name in (*_FIRST, FORGETTING) or bool(checks),
                lower_is_better=any(found.get("lower_is_better") for found in told),
                share=are_shares(told),
            )
        )
    return rows


def forgetting_sentence(splits: Iterable[list[MetricRow]]) -> str:
    """Say whether the adapter has forgotten what the base knew; nothing if it was not measured."""
    for rows in splits:
        for row in rows:
            if row.metric == FORGETTING and row.adapted and row.against in row.baseline:
                told = (
                    f"on texts that have nothing to do with the task its perplexity is"
                    f" {row.spell(row.adapted.value)}, the base's"
                    f" {row.spell(row.baseline[row.against].value)}"
                )
                if row.worse:
                    return f"The adapter has forgotten something: {told}."
                return f"No forgetting is seen: {told}."
    return ""


def _order(name: str) -> tuple[int, str]:
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)


def _interval(found: dict[str, Any]) -> Interval:
    return Interval(found["value"], found["low"], found["high"], found.get("n"))
