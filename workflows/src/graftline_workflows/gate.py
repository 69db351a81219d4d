"""The gate: what must hold of a run's metrics for the run to succeed. It is in no key.

What a check may ask, and how it is judged, stands in `graftline.domain.gate`, since the report
shows the same checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from graftline.config import Settings
from graftline.domain.gate import Check, Verdict, judge_checks

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Check", "Gate", "Verdict", "judge_gate"]


class Gate(Settings):
    """Which step's metrics decide whether a run succeeds."""

    step: str = Field(description="The step whose metrics are read.")
    split: str = Field("eval", description="The split to look at where a check names none.")
    checks: list[Check] = Field(min_length=1, description="What must hold, all of it.")


def judge_gate(gate: Gate, metrics: Mapping[str, Any]) -> Verdict:
    """Judge a run by its `metrics.json`; what is missing or no number fails its check."""
    return judge_checks(gate.checks, gate.split, metrics)
