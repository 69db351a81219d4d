"""The units of the calibration: rows with wrong answers, asked about as all others are."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json
from graftline.domain.units import UNIT_ROWS
from graftline.llm.asking import OpenUnit
from graftline.llm.request import LlmFailure
from graftline_judge.prompts import judge_request
from graftline_judge.scoring import judged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from graftline.llm.request import Answer
    from graftline_judge.calibration.shuffling import Shuffled
    from graftline_judge.config import JudgeConfig

_FILE = "shuffled.json"


def shuffled_unit(
    config: JudgeConfig, first: int, number: int, chosen: Sequence[Shuffled]
) -> OpenUnit:
    """Make a unit of the calibration.

    Args:
        config: The stage's settings.
        first: The number of the step's first unit of this kind.
        number: Which of them it is, from 0; it may hold nothing where fewer rows could be chosen.
        chosen: All chosen rows.
    """
    rows = chosen[number * UNIT_ROWS : (number + 1) * UNIT_ROWS]
    requests = {at: judge_request(config, row.pair) for at, row in enumerate(rows)}
    return OpenUnit(first + number, requests, partial(_write, config, rows))


def _write(
    config: JudgeConfig, rows: Sequence[Shuffled], folder: Path, answers: Mapping[int, Answer]
) -> None:
    found = [
        {"id": row.id, "answer_of": row.answer_of, "overall": _overall(config, answers[at])}
        for at, row in enumerate(rows)
    ]
    (folder / _FILE).write_text(canonical_json(found), encoding="utf-8")


def _overall(config: JudgeConfig, answer: Answer) -> float | None:
    if isinstance(answer, LlmFailure):
        return None
    overall: float = judged(answer.data, config.weights, config.limits)["overall"]
    return overall


def read_shuffled(folders: Sequence[Path]) -> dict[str, float | None]:
    """Read the overalls of wrong answers from kept units, by row; null where it was not judged."""
    found: list[dict[str, Any]] = []
    for folder in folders:
        found += json.loads((folder / _FILE).read_text("utf-8"))
    return {row["id"]: row["overall"] for row in found}
