"""What the engine knows of each step while a plan runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graftline.v1 import stage_pb2
from graftline_workflows.engine.meter import Meter

if TYPE_CHECKING:
    from pathlib import Path

    from graftline.v1.manifest_pb2 import Manifest

DONE = frozenset({stage_pb2.STEP_STATE_SUCCEEDED, stage_pb2.STEP_STATE_CACHED})
RUNNING = frozenset(
    {
        stage_pb2.STEP_STATE_FETCHING,
        stage_pb2.STEP_STATE_RUNNING,
        stage_pb2.STEP_STATE_COMMITTING,
    }
)


@dataclass
class StepStatus:
    """One step of the plan, as it stands.

    Args:
        request: What it is asked to do.
        resources: Its class.
        reason: Why it is cached or has to be built.
        state: How far it is.
        attempt: How often it was started in this run.
        message: The cause, where it failed.
        exit_code: Its process's, once it ended.
        log: Its log file.
        started: When it was last started, in monotonic seconds; 0 if never.
        ended: When it ended; 0 if not yet.
        not_before: When it may be tried again.
        meter: Its progress.
        metric: The name and value that it reported last.
        manifest: What it made, once known.
        again: Whether it was there before and turned out to be broken.
    """

    request: stage_pb2.StageRequest
    resources: stage_pb2.ResourceClass
    reason: str
    state: stage_pb2.StepState = stage_pb2.STEP_STATE_WAITING
    attempt: int = 0
    message: str = ""
    exit_code: int | None = None
    log: Path | None = None
    started: float = 0.0
    ended: float = 0.0
    not_before: float = 0.0
    meter: Meter = field(default_factory=Meter)
    metric: tuple[str, float] | None = None
    manifest: Manifest | None = None
    again: bool = False

    @property
    def name(self) -> str:
        """The step's name."""
        return self.request.step

    @property
    def seconds(self) -> float:
        """How long its last attempt took; 0 if it was never started."""
        return max(0.0, self.ended - self.started)

    @property
    def built(self) -> bool:
        """Whether this run made it."""
        return self.state == stage_pb2.STEP_STATE_SUCCEEDED


@dataclass(frozen=True)
class Outcome:
    """What a plan's run came to.

    Args:
        steps: All steps, in the plan's order.
        cancelled: Whether somebody asked to stop.
    """

    steps: tuple[StepStatus, ...]
    cancelled: bool

    @property
    def failed(self) -> list[StepStatus]:
        """Steps that failed, the first one first."""
        found = [step for step in self.steps if step.state == stage_pb2.STEP_STATE_FAILED]
        return sorted(found, key=lambda step: step.ended)

    @property
    def complete(self) -> bool:
        """Whether every step is there."""
        return all(step.state in DONE for step in self.steps)
