"""From a model's scores to `overall` and a verdict, by our own arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from graftline_judge.config import Limits, Weights

Verdict = Literal["PASS", "NEEDS_REVIEW", "FAIL", "UNJUDGED"]
VERDICTS: tuple[Verdict, ...] = ("PASS", "NEEDS_REVIEW", "FAIL", "UNJUDGED")
SCORES = ("factual_accuracy", "completeness", "consistency")


def overall_of(scores: dict[str, int], weights: Weights) -> Fraction:
    """Weigh the scores; exactly, so that 8 is 8 and not a little less."""
    return sum((_exact(getattr(weights, name)) * scores[name] for name in SCORES), Fraction())


def verdict_of(overall: Fraction, accuracy: int, limits: Limits) -> Verdict:
    """Give the verdict on an overall and a factual accuracy, both from 0 to 10."""
    if overall >= _exact(limits.pass_overall) and accuracy >= _exact(limits.pass_accuracy):
        return "PASS"
    if overall < _exact(limits.fail_overall) or accuracy < _exact(limits.fail_accuracy):
        return "FAIL"
    return "NEEDS_REVIEW"


def judged(said: dict[str, Any], weights: Weights, limits: Limits) -> dict[str, Any]:
    """Make the judgement of what a model said (it fits the form of `prompts`)."""
    scores = {name: int(said[name]) for name in SCORES}
    overall = overall_of(scores, weights)
    return {
        **scores,
        "overall": float(overall),
        "verdict": verdict_of(overall, scores["factual_accuracy"], limits),
        "issues": [
            {"severity": issue["severity"], "text": issue["text"].strip()}
            for issue in said["issues"]
        ],
        "recommendation": said["recommendation"].strip(),
        "reason": None,
        "detail": None,
    }


def unjudged(reason: str, detail: str) -> dict[str, Any]:
    """Make the judgement of a row that nobody judged: it has no scores, not even low ones."""
    return {
        **dict.fromkeys(SCORES),
        "overall": None,
        "verdict": "UNJUDGED",
        "issues": [],
        "recommendation": "",
        "reason": reason,
        "detail": detail,
    }


def _exact(number: float) -> Fraction:
    """Give the decimal number that was written, not the binary one that is near it."""
    return Fraction(repr(number))
