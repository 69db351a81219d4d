"""What people see while a plan runs: live bars, plain lines, or nothing."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol, TextIO

from graftline.v1 import stage_pb2
from graftline_workflows.engine.meter import duration, quantity

if TYPE_CHECKING:
    from graftline_workflows.engine.status import StepStatus

_WORDS = {
    stage_pb2.STEP_STATE_WAITING: "waiting",
    stage_pb2.STEP_STATE_FETCHING: "fetching",
    stage_pb2.STEP_STATE_RUNNING: "running",
    stage_pb2.STEP_STATE_COMMITTING: "committing",
    stage_pb2.STEP_STATE_SUCCEEDED: "built",
    stage_pb2.STEP_STATE_FAILED: "failed",
    stage_pb2.STEP_STATE_CANCELLED: "cancelled",
    stage_pb2.STEP_STATE_CACHED: "cached",
}


def state_word(state: stage_pb2.StepState) -> str:
    """Give a state's word (`built`, `cached`, `failed`, …)."""
    return _WORDS.get(state, "unknown")


class Display(Protocol):
    """Told by the engine what happens; never fails, never blocks for long."""

    def begin(self, steps: list[StepStatus]) -> None:
        """A plan's run begins."""

    def started(self, step: StepStatus) -> None:
        """A step's process was started."""

    def said(self, step: StepStatus, level: str, text: str) -> None:
        """A step said a line."""

    def finished(self, step: StepStatus) -> None:
        """A step is built, cached, failed or cancelled."""

    def again(self, step: StepStatus, wait_s: float) -> None:
        """A step will be tried again."""

    def stopping(self, steps: list[str], grace_s: float) -> None:
        """Running steps were asked to stop."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def tick(self) -> None:
        """A moment has passed."""

    def end(self) -> None:
        """Nothing more will happen."""


class Quiet:
    """Shows failures and nothing else."""

    def __init__(self, out: TextIO | None = None) -> None:
        """Write to a stream; to stderr if none is given."""
        self._out = out or sys.stderr

    def begin(self, steps: list[StepStatus]) -> None:
        """Show nothing."""

    def started(self, step: StepStatus) -> None:
        """Show nothing."""

    def said(self, step: StepStatus, level: str, text: str) -> None:
        """Show nothing: a failed step's cause is told at the end of the run."""

    def finished(self, step: StepStatus) -> None:
        """Show nothing."""

    def again(self, step: StepStatus, wait_s: float) -> None:
        """Show nothing."""

    def stopping(self, steps: list[str], grace_s: float) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show the line: notes are warnings."""
        self._write(f"warning: {text}")

    def tick(self) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Show nothing."""

    def _write(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()


class Plain(Quiet):
    """One line for each event, and every few seconds one for each running step (CI logs).

    Args:
        out: Where to.
        verbose: Whether to show all that steps say, or warnings and errors only.
        interval_s: Seconds between two progress lines of a step.
    """

    def __init__(self, out: TextIO, *, verbose: bool = False, interval_s: float = 5.0) -> None:
        """Keep a line's shape: step, then what happened."""
        super().__init__(out)
        self._verbose = verbose
        self._interval_s = interval_s
        self._running: dict[str, StepStatus] = {}
        self._width = 0
        self._last = 0.0

    def begin(self, steps: list[StepStatus]) -> None:
        """Show what is cached."""
        self._width = max((len(step.name) for step in steps), default=0)
        for step in steps:
            if step.state == stage_pb2.STEP_STATE_CACHED:
                self._line(step.name, "cached")

    def started(self, step: StepStatus) -> None:
        """Show that a step runs."""
        self._running[step.name] = step
        attempt = f" (attempt {step.attempt})" if step.attempt > 1 else ""
        self._line(step.name, f"started{attempt}: {step.reason}")

    def said(self, step: StepStatus, level: str, text: str) -> None:
        """Show warnings; all lines if asked for."""
        if self._verbose or level not in ("info", "debug"):
            mark = "" if level == "info" else f"{level}: "
            self._line(step.name, f"{mark}{text}")

    def finished(self, step: StepStatus) -> None:
        """Show a step's end."""
        self._running.pop(step.name, None)
        self._line(step.name, finish_text(step))

    def again(self, step: StepStatus, wait_s: float) -> None:
        """Show why and when."""
        self._running.pop(step.name, None)
        self._line(step.name, f"{_first_line(step.message)}; again in {wait_s:.0f} s")

    def stopping(self, steps: list[str], grace_s: float) -> None:
        """Show who is waited for."""
        names = ", ".join(steps)
        self._write(f"stopping {names}: up to {grace_s:.0f} s; Ctrl-C again ends them at once")

    def tick(self) -> None:
        """Show progress if it is time."""
        now = time.monotonic()
        if now - self._last < self._interval_s:
            return
        self._last = now
        for step in self._running.values():
            if now - step.started >= self._interval_s:
                self._line(step.name, progress_text(step, now))

    def _line(self, step: str, text: str) -> None:
        self._write(f"  {step:<{self._width}}  {text}")


def finish_text(step: StepStatus) -> str:
    """Say how a step ended, in one line."""
    word = state_word(step.state)
    if step.state == stage_pb2.STEP_STATE_CACHED:
        return word
    if step.state == stage_pb2.STEP_STATE_FAILED:
        return f"failed: {_first_line(step.message)}"
    rows = ""
    if step.manifest is not None and step.manifest.HasField("rows_out"):
        rejected = sum(item.rows for item in step.manifest.rejected)
        rows = f", {step.manifest.rows_out:,} rows"
        rows += f", {rejected:,} rejected" if rejected else ""
    return f"{word} in {duration(step.seconds)}{rows}"


def progress_text(step: StepStatus, now: float) -> str:
    """Say how far a step is: `120/1,500 steps  3.2/s  ETA 7:11  loss 0.82`."""
    meter = step.meter
    if not meter.unit:
        return f"{state_word(step.state)} for {duration(now - step.started)}"
    total = f"/{meter.total:,}" if meter.total is not None else ""
    parts = [f"{meter.done:,}{total} {meter.unit}"]
    if meter.rate is not None:
        parts.append(f"{quantity(meter.rate)}/s")
    if meter.seconds_left is not None:
        parts.append(f"ETA {duration(meter.seconds_left)}")
    if step.metric is not None:
        parts.append(f"{step.metric[0]} {step.metric[1]:.4g}")
    return "  ".join(parts)


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0]
