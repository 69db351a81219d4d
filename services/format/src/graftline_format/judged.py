"""Leaving rows out by what a judge said of them: as late as this, so that it costs little."""

from __future__ import annotations

import json
from typing import Any

from graftline_format.rendering import Rejection


def check_judgement(row: dict[str, Any], threshold: float) -> None:
    """Refuse a row that a judge gave less than the threshold, or no score at all.

    Args:
        row: An example with its `meta`; `meta.judgement.overall` is the score, null if the judge
            could not be understood.
        threshold: The lowest score that is kept.

    Raises:
        Rejection: `below-threshold` or `unjudged`.
    """
    judgement = json.loads(row["meta"]).get("judgement")
    overall = judgement.get("overall") if isinstance(judgement, dict) else None
    if not isinstance(overall, int | float):
        raise Rejection("unjudged", "no judge gave this row a score, and there is a threshold")
    if overall < threshold:
        raise Rejection("below-threshold", f"judged {overall:g}, the threshold is {threshold:g}")
