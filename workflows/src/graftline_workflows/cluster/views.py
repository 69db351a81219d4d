"""A workflow as people think of it: steps with their states, attempts and causes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from graftline_workflows.cluster.causes import Cause, failure_cause

if TYPE_CHECKING:
    from datetime import datetime

BAD = ("Failed", "Error")
ENDED = ("Succeeded", *BAD)
"""Argo's words for what ended badly, and for what is over."""


class State(StrEnum):
    """What became of a step; the value is the word for people."""

    WAITING = "waiting"
    PENDING = "pending"
    RUNNING = "running"
    BUILT = "built"
    CACHED = "cached"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NOT_RUN = "not run"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self not in (State.WAITING, State.PENDING, State.RUNNING)


@dataclass(frozen=True)
class Attempt:
    """One try of one rank of a step: a pod.

    Args:
        node: Its node's id.
        rank: Its rank.
        number: Which try of that rank it is, from 1.
        phase: Argo's word.
        message: What Argo says.
        exit_code: Its main container's, once it ended.
        progress: (done, total), if it tells.
    """

    node: str
    rank: int
    number: int
    phase: str
    message: str
    exit_code: int | None
    progress: tuple[int, int] | None

    @property
    def failed(self) -> bool:
        """Whether it ended badly."""
        return self.phase in BAD

    @property
    def cause(self) -> Cause:
        """Why it failed."""
        return failure_cause(self.message, self.exit_code)


@dataclass(frozen=True)
class StepView:
    """One step as the workflow shows it.

    Args:
        name: Its name.
        state: What became of it.
        started: When it was begun, its wait for a node included.
        finished: When it ended.
        attempts: All its pods, in order of rank and try.
        message: What Argo says of the step itself (of its lock, of its pod that cannot be made).
        makes_artifacts: False for plan and gate.
    """

    name: str
    state: State
    started: datetime | None = None
    finished: datetime | None = None
    attempts: tuple[Attempt, ...] = ()
    message: str = ""
    makes_artifacts: bool = True

    @property
    def latest(self) -> list[Attempt]:
        """Each rank's last try."""
        return list({item.rank: item for item in self.attempts}.values())

    @property
    def tries(self) -> int:
        """How often the rank that was tried most often was tried."""
        return max((item.number for item in self.attempts), default=0)

    @property
    def progress(self) -> tuple[int, int] | None:
        """(done, total) of all ranks, or nothing while one of them is silent."""
        told = [item.progress for item in self.latest]
        known = [item for item in told if item is not None]
        if not known or len(known) < len(told):
            return None
        return sum(done for done, _ in known), sum(total for _, total in known)

    @property
    def cause(self) -> Cause | None:
        """Why it failed: the first rank's whose last try failed, or Argo's own word."""
        if self.state != State.FAILED:
            return None
        failed = [item for item in self.latest if item.failed]
        # A message such as `No more retries left` says less than the pod's own.
        return failed[0].cause if failed else failure_cause(self.message, None)

    def seconds(self, now: datetime) -> float | None:
        """How long it took, or takes up to now; nothing if it never began."""
        if self.started is None:
            return None
        return max(0.0, ((self.finished or now) - self.started).total_seconds())


@dataclass(frozen=True)
class WorkflowView:
    """A workflow as Graftline sees it.

    Args:
        name: Its name, which is the run's id too.
        namespace: Where it is.
        recipe: The recipe's name.
        profile: The profile's name, if known.
        phase: Argo's word; empty before the controller has seen it.
        message: What Argo says of it.
        started: When it was begun.
        finished: When it ended.
        steps: The recipe's steps, in the order of its WorkflowTemplate.
        plan: The task that makes the plan.
        gate: The task that judges.
        verdict: What the gate says, if it spoke.
        stopped: Whether somebody asked it to stop.
    """

    name: str
    namespace: str
    recipe: str
    profile: str
    phase: str
    message: str
    started: datetime | None
    finished: datetime | None
    steps: tuple[StepView, ...]
    plan: StepView | None
    gate: StepView | None
    verdict: dict[str, Any] | None
    stopped: bool

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.phase in ENDED

    @property
    def tasks(self) -> list[StepView]:
        """Plan, steps and gate, as they follow each other."""
        found = (self.plan, *self.steps, self.gate)
        return [item for item in found if item is not None]

    @property
    def failed(self) -> list[StepView]:
        """Tasks that failed, the first to end first; the gate is none of them."""
        found = [
            item for item in self.tasks if item.state == State.FAILED and item is not self.gate
        ]
        return sorted(found, key=lambda item: item.finished.timestamp() if item.finished else 0.0)
