"""How events are made."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from graftline.v1 import stage_pb2


@dataclass(frozen=True)
class EventSource:
    """Whose events they are."""

    run: str
    step: str
    rank: int = 0

    def progress(self, done: int, total: int | None, unit: str) -> stage_pb2.StageEvent:
        """`done` of `total` units are done."""
        return self._event(progress=stage_pb2.Progress(done=done, total=total, unit=unit))

    def log(self, text: str, level: str) -> stage_pb2.StageEvent:
        """One line."""
        return self._event(log=stage_pb2.LogLine(level=level, text=text))

    def metric(self, name: str, value: float, at: int) -> stage_pb2.StageEvent:
        """One point of a curve."""
        return self._event(metric=stage_pb2.MetricPoint(name=name, value=value, at=at))

    def state(
        self, state: stage_pb2.StepState, message: str = "", exit_code: int | None = None
    ) -> stage_pb2.StageEvent:
        """The step's state has changed."""
        change = stage_pb2.StateChange(state=state, message=message, exit_code=exit_code)
        return self._event(state=change)

    def _event(
        self,
        progress: stage_pb2.Progress | None = None,
        log: stage_pb2.LogLine | None = None,
        metric: stage_pb2.MetricPoint | None = None,
        state: stage_pb2.StateChange | None = None,
    ) -> stage_pb2.StageEvent:
        now = Timestamp()
        now.GetCurrentTime()
        return stage_pb2.StageEvent(
            run=self.run,
            step=self.step,
            rank=self.rank,
            at=now,
            progress=progress,
            log=log,
            metric=metric,
            state=state,
        )
