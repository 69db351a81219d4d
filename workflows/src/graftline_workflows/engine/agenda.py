"""The steps of a plan, and which of them may start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graftline.v1 import stage_pb2
from graftline_workflows.engine.status import DONE, StepStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graftline.v1.plan_pb2 import Plan, PlannedStep

_WAITING = stage_pb2.STEP_STATE_WAITING
_FAILED = stage_pb2.STEP_STATE_FAILED


class Agenda:
    """All steps of a run, in the plan's order. Times are monotonic seconds.

    Args:
        plan: What is to be done.
    """

    def __init__(self, plan: Plan) -> None:
        """Begin with what the plan found cached done."""
        self._by_name = {item.request.step: _new_status(item) for item in plan.steps}

    @property
    def steps(self) -> list[StepStatus]:
        """All of them."""
        return list(self._by_name.values())

    @property
    def failed(self) -> bool:
        """Whether one failed: nothing is started any more, then."""
        return any(step.state == _FAILED for step in self._by_name.values())

    def __getitem__(self, name: str) -> StepStatus:
        """Give a step that there is."""
        return self._by_name[name]

    def find(self, name: str) -> StepStatus | None:
        """Give a step, if there is one of that name."""
        return self._by_name.get(name)

    def ready(self, now: float) -> list[StepStatus]:
        """Give the steps that could start now: all that they read is there."""
        return [
            step
            for step in self._by_name.values()
            if step.state == _WAITING
            and step.not_before <= now
            and all(
                self._by_name[item.step].state in DONE
                for item in step.request.inputs
                if item.step in self._by_name
            )
        ]

    def is_anything_due(self, now: float) -> bool:
        """Whether a step could start now, or is to be tried again later."""
        later = (s.state == _WAITING and s.not_before > now for s in self._by_name.values())
        return any(later) or bool(self.ready(now))

    def to_come(self) -> Iterator[stage_pb2.StageRequest]:
        """Give what is asked of the steps that are not there yet."""
        return (step.request for step in self._by_name.values() if step.state not in DONE)

    def reopen(self, plan: Plan) -> list[StepStatus]:
        """Take a new plan's word for which steps are not there after all, and give them."""
        gone = []
        for item in plan.steps:
            step = self.find(item.request.step)
            if step is not None and step.state in DONE and not item.cached:
                step.state, step.reason, step.again = _WAITING, item.reason, True
                gone.append(step)
        return gone

    def cancel_rest(self) -> None:
        """Say of all that neither is there nor failed that it was cancelled."""
        for step in self._by_name.values():
            if step.state not in DONE | {_FAILED}:
                step.state = stage_pb2.STEP_STATE_CANCELLED


def _new_status(item: PlannedStep) -> StepStatus:
    state = stage_pb2.STEP_STATE_CACHED if item.cached else _WAITING
    return StepStatus(item.request, item.resources, item.reason, state)
