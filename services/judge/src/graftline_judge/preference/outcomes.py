"""What two answers in both orders come to, for a row and for all."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from graftline.domain.intervals import wilson
from graftline.llm.request import LlmFailure
from graftline_judge.preference.prompts import OTHER, SIDES, Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graftline.llm.request import Answer

Outcome = Literal["adapted", "baseline", "tie", "inconsistent", "unjudged"]
IDENTICAL = "identical"
CONFIDENCE = 0.95
_SCORES = {"adapted": 1.0, "baseline": 0.0, "tie": 0.5, "inconsistent": 0.5}
_MOSTLY = 0.5


def outcome_of(answers: Mapping[Side, Answer]) -> dict[str, Any]:
    """Give the outcome of a row.

    Args:
        answers: What was said when the one side's answer stood first, and when the other's did;
            empty for a row whose answers are the same, which nobody is asked about.

    Returns:
        `outcome`, `baseline_first` and `adapted_first` (what was chosen in that order: baseline,
        adapted or tie), `score` (what the row counts for the adapted model), `reason`, `detail`.
    """
    if not answers:
        return _row("tie", {}, IDENTICAL, "")
    chosen = {first: _chosen(first, answer) for first, answer in answers.items()}
    failure = next((item for item in answers.values() if isinstance(item, LlmFailure)), None)
    if failure is not None:
        return _row("unjudged", chosen, failure.reason, failure.detail)
    one, other = (chosen[side] for side in SIDES)
    return _row(one if one == other else "inconsistent", chosen, "", "")


def _chosen(first: Side, answer: Answer) -> str | None:
    if isinstance(answer, LlmFailure):
        return None
    return {"A": first, "B": OTHER[first], "tie": "tie"}[answer.data["better"]]


def _row(
    outcome: str | None, chosen: Mapping[Side, str | None], reason: str, detail: str
) -> dict[str, Any]:
    return {
        "outcome": outcome,
        **{f"{side}_first": chosen.get(side) for side in SIDES},
        "score": _SCORES.get(outcome or ""),
        "reason": reason,
        "detail": detail,
    }


def summarise(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Count the outcomes of rows.

    Of a row whose two orders disagree it is not known which answer is better: it counts half for
    each side, as a tie does. The interval is Wilson's for a share of so many rows, with these
    halves.

    Returns:
        `rows`, `adapted`, `baseline`, `ties`, `identical` (ties that nobody was asked about),
        `inconsistent`, `unjudged`, `unjudged_reasons`, `win_rate` (the adapted model's, of the
        rows that were judged), `interval` (`low`, `high`), `position_bias` (of all choices that
        were no tie, the share that fell on the answer that stood first: 0.5 is none).
    """
    rows = list(rows)
    outcomes = Counter(row["outcome"] for row in rows)
    reasons = Counter(row["reason"] for row in rows if row["outcome"] == "unjudged")
    judged = len(rows) - outcomes["unjudged"]
    won = sum(row["score"] for row in rows if row["score"] is not None)
    first = second = 0
    for row in rows:
        for side in SIDES:
            first += row[f"{side}_first"] == side
            second += row[f"{side}_first"] == OTHER[side]
    share = wilson(won, judged, CONFIDENCE) if judged else None
    return {
        "rows": len(rows),
        "adapted": outcomes["adapted"],
        "baseline": outcomes["baseline"],
        "ties": outcomes["tie"],
        "identical": sum(row["reason"] == IDENTICAL for row in rows),
        "inconsistent": outcomes["inconsistent"],
        "unjudged": outcomes["unjudged"],
        "unjudged_reasons": dict(sorted(reasons.items())),
        "win_rate": round(share.value, 4) if share else None,
        "interval": {"low": round(share.low, 4), "high": round(share.high, 4)} if share else None,
        "position_bias": round(first / (first + second), 4) if first + second else None,
    }


def sentence(found: Mapping[str, Any]) -> str:
    """Say a summary in plain words."""
    interval = found["interval"]
    if interval is None:
        return "Which model answers better is not known: no row was judged."
    judged = found["rows"] - found["unjudged"]
    if interval["low"] > 0.5:
        verdict = "The adapted model's answers are preferred"
    elif interval["high"] < 0.5:
        verdict = "The baseline's answers are preferred"
    else:
        verdict = "Neither model's answers are clearly preferred"
    text = (
        f"{verdict}: the adapted model wins {found['win_rate']:.0%} of {judged:,} rows"
        f" ({CONFIDENCE:.0%} interval {interval['low']:.0%} to {interval['high']:.0%})."
    )
    asked = judged - found["identical"]
    if asked and found["inconsistent"] > _MOSTLY * asked:
        text += (
            f" In {found['inconsistent']:,} of {asked:,} the judge chose otherwise when the answers"
            " changed places: it goes by their order, and its word is worth little."
        )
    return text
