"""Live progress bars on a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from graftline.v1 import stage_pb2
from graftline_workflows.engine.display import finish_text, state_word
from graftline_workflows.engine.meter import duration, quantity

if TYPE_CHECKING:
    from rich.console import Console

    from graftline_workflows.engine.status import StepStatus

_REFRESH_PER_S = 4
_MARKS = {
    stage_pb2.STEP_STATE_SUCCEEDED: "[green]✓[/]",
    stage_pb2.STEP_STATE_CACHED: "[dim]=[/]",
    stage_pb2.STEP_STATE_FAILED: "[red]✗[/]",
    stage_pb2.STEP_STATE_CANCELLED: "[yellow]–[/]",
}


class LiveDisplay:
    """A line for each finished step above, a bar for each running one below.

    Args:
        console: The terminal.
        verbose: Whether to show all that steps say, or warnings and errors only.
    """

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        """Show nothing yet."""
        self._console = console
        self._verbose = verbose
        self._live = Live(console=console, refresh_per_second=_REFRESH_PER_S, transient=True)
        self._steps: list[StepStatus] = []
        self._stopping = ""

    def begin(self, steps: list[StepStatus]) -> None:
        """Show what is cached, and start refreshing if something is not."""
        self._steps = steps
        for step in steps:
            if step.state == stage_pb2.STEP_STATE_CACHED:
                self._print(step)
        if any(step.state != stage_pb2.STEP_STATE_CACHED for step in steps):
            self._live.start()

    def started(self, step: StepStatus) -> None:
        """Show its bar."""
        self.tick()

    def said(self, step: StepStatus, level: str, text: str) -> None:
        """Show warnings; all lines if asked for."""
        if self._verbose or level not in ("info", "debug"):
            colour = {"warning": "yellow", "error": "red"}.get(level, "dim")
            self._console.print(f"  [{colour}]{step.name}: {escape(text)}[/]", highlight=False)

    def finished(self, step: StepStatus) -> None:
        """Turn its bar into a line."""
        self._print(step)
        self.tick()

    def again(self, step: StepStatus, wait_s: float) -> None:
        """Show why and when."""
        cause = escape(step.message.split("\n", 1)[0])
        text = f"  [yellow]↻[/] {step.name}  {cause}; again in {wait_s:.0f} s"
        self._console.print(text, highlight=False)

    def stopping(self, steps: list[str], grace_s: float) -> None:
        """Show who is waited for."""
        names = ", ".join(steps)
        self._stopping = f"stopping {names}: up to {grace_s:.0f} s; Ctrl-C again ends them at once"
        self.tick()

    def note(self, text: str) -> None:
        """Show a line above the bars."""
        self._console.print(f"  [yellow]{escape(text)}[/]", highlight=False)

    def tick(self) -> None:
        """Draw anew."""
        if self._live.is_started:
            self._live.update(self._table())

    def end(self) -> None:
        """Leave the lines, take the bars away."""
        if self._live.is_started:
            self._live.stop()

    def _print(self, step: StepStatus) -> None:
        width = max((len(item.name) for item in self._steps), default=0)
        mark = _MARKS.get(step.state, " ")
        text = escape(finish_text(step))
        dim = step.state == stage_pb2.STEP_STATE_CACHED
        line = f"{step.name:<{width}}  {text}"
        self._console.print(
            f"  {mark} [dim]{line}[/]" if dim else f"  {mark} {line}", highlight=False
        )

    def _table(self) -> Table:
        now = time.monotonic()
        table = Table.grid(padding=(0, 1))
        width = max((len(item.name) for item in self._steps), default=0)
        for step in self._steps:
            if step.started and not step.ended:
                table.add_row(f"  [cyan]›[/] {step.name:<{width}}", *_cells(step, now))
        waiting = [s.name for s in self._steps if s.state == stage_pb2.STEP_STATE_WAITING]
        if self._stopping:
            table.caption = f"    [yellow]{self._stopping}[/]"
        elif waiting:
            table.caption = f"    [dim]waiting: {', '.join(waiting)}[/]"
        table.caption_justify = "left"
        return table


def _cells(step: StepStatus, now: float) -> list[str | ProgressBar]:
    meter = step.meter
    running = duration(now - step.started)
    if not meter.unit:
        bar = ProgressBar(total=None, width=24, animation_time=now)
        return [bar, state_word(step.state), "", "", f"[dim]{running}[/]"]
    bar = ProgressBar(total=meter.total, completed=meter.done, width=24, pulse=meter.total is None)
    total = f"/{meter.total:,}" if meter.total is not None else ""
    rate = f"{quantity(meter.rate)}/s" if meter.rate is not None else ""
    metric = f"{step.metric[0]} {step.metric[1]:.4g}" if step.metric is not None else ""
    left = f"ETA {duration(meter.seconds_left)}" if meter.seconds_left is not None else ""
    timing = f"{left} [dim]· {running}[/]" if left else f"[dim]{running}[/]"
    return [bar, f"{meter.done:,}{total} {escape(meter.unit)}", rate, metric, timing]
