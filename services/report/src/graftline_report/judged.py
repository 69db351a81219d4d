"""What a judge said: of the data (scores), and of two models' answers (preference)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.errors import DataError
from graftline_report.metrics import Interval
from graftline_report.reading import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graftline.ports import Input
    from graftline_report.steps import StepFacts

_JUDGE = "judge.json"
_SUMMARY = "summary.json"
_PREFERENCE = "preference.json"


@dataclass(frozen=True)
class Calibration:
    """How well a judge tells true answers from shuffled ones.

    Args:
        auc: With its interval; nothing if no row could be judged both ways.
        worth: `better-than-chance`, `chance` or `worse-than-chance`; empty if that is unknown.
        text: One plain sentence.
    """

    auc: Interval | None
    worth: str
    text: str


@dataclass(frozen=True)
class Scores:
    """A judge's scores of the data.

    Args:
        step: The judge's name in the recipe.
        model: The model that judged.
        summary: Its summary.json.
        calibration: Whether it is worth anything; nothing if that was not asked.
    """

    step: str
    model: str
    summary: dict[str, Any]
    calibration: Calibration | None


@dataclass(frozen=True)
class Preference:
    """A judge's choices between the base's and the adapter's answers.

    Args:
        step: The judge's name in the recipe.
        model: The model that judged.
        counts: Rows by how they ended.
        rows: How many there are.
        win_rate: The adapter's, with its interval; nothing if no row was judged.
        position_bias: Share of choices that fell on the answer that stood first.
        identical: Ties about which nobody was asked, since the answers are equal.
        text: Who is preferred, in plain words.
    """

    step: str
    model: str
    counts: dict[str, int]
    rows: int
    win_rate: Interval | None
    position_bias: float | None
    identical: int
    text: str


@dataclass(frozen=True)
class Threshold:
    """From which score on rows were learned, and what that left out.

    Args:
        value: The lowest overall score.
        step: Which step asks for it.
        below: Rows left out for a lower score.
        unjudged: Rows left out for having none.
    """

    value: float
    step: str
    below: int
    unjudged: int


@dataclass(frozen=True)
class Judgements:
    """All that judges said."""

    scores: list[Scores]
    preferences: list[Preference]
    threshold: Threshold | None

    def doubt_of(self, model: str) -> str:
        """Say that a model was found to judge no better than chance, if it was."""
        for found in self.scores:
            doubtful = found.calibration and found.calibration.worth not in (
                "",
                "better-than-chance",
            )
            if found.model == model and doubtful:
                return (
                    f"This is the model whose scores in step {found.step} tell true answers from"
                    " wrong ones no better than chance: read nothing into its choice."
                )
        return ""


def read_judgements(inputs: Iterable[Input], steps: Iterable[StepFacts]) -> Judgements:
    """Read what judges said.

    Args:
        inputs: The `metrics` of judge steps, of either kind.
        steps: What is known of all steps.

    Raises:
        DataError: One of the inputs is no judge's.
    """
    scores, preferences = [], []
    for item in inputs:
        try:
            model = str(read_json(item.path / _JUDGE)["model"])
            if (item.path / _PREFERENCE).is_file():
                found = read_json(item.path / _PREFERENCE)
                preferences.append(_preference(item.step, model, found))
            else:
                found = read_json(item.path / _SUMMARY)
                scores.append(_scores(item.step, model, found))
        except (KeyError, TypeError) as error:
            raise DataError(
                f"judgements: step '{item.step}' is no judge's: it lacks {error}",
                "connect a judge step's output `metrics`",
            ) from error
    return Judgements(scores, preferences, _threshold(steps))


def _scores(step: str, model: str, found: dict[str, Any]) -> Scores:
    for name in ("rows", "judged", "verdicts", "bands", "unjudged", "issues", "validators"):
        found[name]  # all of a summary is needed: a KeyError says what there is not
    return Scores(step, model, found, _calibration(found.get("calibration")))


def _calibration(found: dict[str, Any] | None) -> Calibration | None:
    if not found:
        return None
    auc = None
    if found["auc"] is not None:
        interval = found["interval"]
        auc = Interval(found["auc"], interval["low"], interval["high"], found["judged_pairs"])
    return Calibration(auc, found["worth"] or "", found["text"])


def _preference(step: str, model: str, found: dict[str, Any]) -> Preference:
    names = ("adapted", "baseline", "ties", "inconsistent", "unjudged")
    counts = {name: found[name] for name in names}
    win_rate = None
    if found["win_rate"] is not None:
        interval, judged = found["interval"], found["rows"] - found["unjudged"]
        win_rate = Interval(found["win_rate"], interval["low"], interval["high"], judged)
    return Preference(
        step=step,
        model=model,
        counts=counts,
        rows=found["rows"],
        win_rate=win_rate,
        position_bias=found["position_bias"],
        identical=found.get("identical", 0),
        text=found["text"],
    )


def _threshold(steps: Iterable[StepFacts]) -> Threshold | None:
    for step in steps:
        value = step.config.get("threshold") if step.stage == "format" else None
        if isinstance(value, int | float):
            below, unjudged = (step.rejected.get(n, 0) for n in ("below-threshold", "unjudged"))
            return Threshold(float(value), step.step, below, unjudged)
    return None
