"""What people see while a workflow runs: a live table, plain lines, or nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TextIO

from graftline_workflows.cluster.views import State
from graftline_workflows.engine.meter import duration, quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    from graftline_workflows.cluster.causes import Trouble
    from graftline_workflows.cluster.index import IndexProgress
    from graftline_workflows.cluster.views import StepView, WorkflowView

_LINE_INTERVAL_S = 15.0
_REFRESH_PER_S = 4
_BAR_CELLS = 24
_MARKS = {
    State.WAITING: " ",
    State.PENDING: "[yellow]…[/]",
    State.RUNNING: "[cyan]›[/]",
    State.BUILT: "[green]✓[/]",
    State.CACHED: "[dim]=[/]",
    State.FAILED: "[red]✗[/]",
    State.CANCELLED: "[yellow]–[/]",
    State.NOT_RUN: "[dim]–[/]",
}


@dataclass(frozen=True)
class Scene:
    """All there is to show.

    Args:
        view: The workflow.
        troubles: By step, why it does not get on.
        index: Live progress.
    """

    view: WorkflowView
    troubles: Mapping[str, Trouble]
    index: IndexProgress | None = None


class WatchDisplay(Protocol):
    """Told what is seen; never fails, never blocks for long."""

    def show(self, scene: Scene) -> None:
        """Something changed."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def tick(self) -> None:
        """A moment has passed."""

    def end(self) -> None:
        """Nothing more will happen."""


class Silent:
    """Shows notes and nothing else.

    Args:
        out: Where to.
    """

    def __init__(self, out: TextIO) -> None:
        """Write to a stream."""
        self._out = out

    def show(self, scene: Scene) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show the line."""
        self._write(text)

    def tick(self) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Show nothing."""

    def _write(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()


@dataclass
class _Told:
    """What the lines said of a step already."""

    state: State = State.WAITING
    troubles: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)


class Lines(Silent):
    """A line for each change, and every few seconds one for each running step (CI logs).

    Args:
        out: Where to.
        interval_s: Seconds between two progress lines of a step.
    """

    def __init__(self, out: TextIO, interval_s: float = _LINE_INTERVAL_S) -> None:
        """Have said nothing yet."""
        super().__init__(out)
        self._interval_s = interval_s
        self._told: dict[str, _Told] = {}
        self._scene: Scene | None = None
        self._last = time.monotonic()

    def show(self, scene: Scene) -> None:
        """Say what is new."""
        self._scene = scene
        width = max((len(step.name) for step in scene.view.tasks), default=0)
        for step in scene.view.tasks:
            for text in self._news(step, scene):
                self._write(f"  {step.name:<{width}}  {text}")

    def tick(self) -> None:
        """Say how far running steps are, if it is time."""
        now = time.monotonic()
        if self._scene is None or now - self._last < self._interval_s:
            return
        self._last = now
        width = max((len(step.name) for step in self._scene.view.tasks), default=0)
        for step in self._scene.view.tasks:
            if step.state == State.RUNNING:
                self._write(f"  {step.name:<{width}}  {progress_text(step, self._scene)}")

    def _news(self, step: StepView, scene: Scene) -> list[str]:
        told = self._told.setdefault(step.name, _Told())
        lines = []
        for attempt in step.attempts:
            # Argo waits before it decides whether to try again; then it takes another pod, or, if
            # the pod was lost, the same one once more.
            given_up = attempt.failed and attempt in step.latest
            if attempt.failed:
                text = f"attempt {attempt.number} failed: {attempt.cause.text}; again"
                told.failed.setdefault(attempt.node, text)
            if not given_up and told.failed.get(attempt.node):
                lines.append(told.failed.pop(attempt.node))
                if attempt.failed:
                    told.failed[attempt.node] = ""
        trouble = scene.troubles.get(step.name)
        if step.state != told.state:
            told.state = step.state
            shown = trouble is not None and step.state == State.PENDING
            if not shown:
                lines.append(state_text(step))
        text = trouble_text(trouble) if trouble is not None else ""
        if text and text not in told.troubles:  # an image's two reasons alternate for hours
            told.troubles.add(text)
            lines.append(text)
        return lines


class LiveTable:
    """A table of all steps that is drawn again and again, and stays when all has ended.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        """Show nothing yet."""
        self._console = console
        self._scene: Scene | None = None
        self._live: Live | None = None

    def show(self, scene: Scene) -> None:
        """Draw anew; the first time, begin."""
        self._scene = scene
        if self._live is None:
            from rich.live import Live

            self._live = Live(
                console=self._console,
                refresh_per_second=_REFRESH_PER_S,
                get_renderable=self._table,
            )
            self._live.start()

    def note(self, text: str) -> None:
        """Show a line above the table."""
        from rich.markup import escape

        self._console.print(f"  [yellow]{escape(text)}[/]", highlight=False)

    def tick(self) -> None:
        """Nothing to do: the table draws itself."""

    def end(self) -> None:
        """Draw it a last time and leave it there."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _table(self) -> Table:
        from rich.table import Table

        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(ratio=1)
        if self._scene is not None:
            width = max((len(step.name) for step in self._scene.view.tasks), default=0)
            for step in self._scene.view.tasks:
                table.add_row(*_cells(step, self._scene, width))
        return table


def state_text(step: StepView) -> str:
    """Say in a few words what became of a step; plan and gate build nothing."""
    now = datetime.now(UTC)
    again = f" (attempt {step.tries})" if step.tries > 1 else ""
    if step.state == State.FAILED and step.cause is not None:
        hint = f" — {step.cause.hint}" if step.cause.hint else ""
        return f"failed: {step.cause.text}{hint}"
    if step.state == State.BUILT:
        return f"{_done_word(step)} in {duration(step.seconds(now))}{_tries_text(step)}"
    return f"{step.state}{again}"


def _done_word(step: StepView) -> str:
    return "built" if step.makes_artifacts else "done"


def _tries_text(step: StepView) -> str:
    return f", {step.tries} attempts" if step.tries > 1 else ""


def trouble_text(trouble: Trouble) -> str:
    """Say why a step does not get on, and what to do."""
    return f"{trouble.text} — {trouble.hint}" if trouble.hint else trouble.text


def progress_text(step: StepView, scene: Scene) -> str:
    """Say how far a running step is: `120/1,500 steps  3.2/s  ETA 7:11  loss 0.82`."""
    meter = scene.index.meter(step.name) if scene.index is not None else None
    if meter is not None:
        total = f"/{meter.total:,}" if meter.total is not None else ""
        parts = [f"{meter.done:,}{total} {meter.unit}"]
        if meter.rate is not None:
            parts.append(f"{quantity(meter.rate)}/s")
        if meter.seconds_left is not None:
            parts.append(f"ETA {duration(meter.seconds_left)}")
    elif step.progress is not None:
        done, total_of_nodes = step.progress
        parts = [f"{done:,}/{total_of_nodes:,}"]
    else:
        parts = [f"running for {duration(step.seconds(datetime.now(UTC)))}"]
    metric = scene.index.metric(step.name) if scene.index is not None else None
    if metric is not None:
        parts.append(f"{metric[0]} {metric[1]:.4g}")
    return "  ".join(parts)


def _cells(step: StepView, scene: Scene, width: int) -> list[str]:
    from rich.markup import escape

    dim = step.state in (State.WAITING, State.CACHED, State.NOT_RUN)
    name = f"{step.name:<{width}}"
    first = f"  {_MARKS[step.state]} " + (f"[dim]{name}[/]" if dim else name)
    seconds = step.seconds(datetime.now(UTC))
    timing = f"[dim]{duration(seconds)}[/]" if seconds is not None else ""
    trouble = scene.troubles.get(step.name)
    if trouble is not None and not step.state.ended:
        colour = "red" if trouble.fatal else "yellow"
        return [first, timing, f"[{colour}]{escape(trouble_text(trouble))}[/]"]
    if step.state == State.RUNNING:
        again = f" [yellow](attempt {step.tries})[/]" if step.tries > 1 else ""
        return [first, timing, f"{_bar(step, scene)}{escape(progress_text(step, scene))}{again}"]
    failed = [item for item in step.latest if item.failed]
    if step.state == State.PENDING and failed:
        text = f"attempt {failed[0].number} failed: {failed[0].cause.text}"
        return [first, timing, f"[yellow]{escape(text)}[/]"]
    if step.state == State.FAILED:
        return [first, timing, f"[red]{escape(state_text(step))}[/]"]
    if step.state == State.BUILT:  # its time stands in a column of its own
        return [first, timing, f"{_done_word(step)}{_tries_text(step)}"]
    text = escape(state_text(step))
    return [first, timing, f"[dim]{text}[/]" if dim else text]


def _bar(step: StepView, scene: Scene) -> str:
    meter = scene.index.meter(step.name) if scene.index is not None else None
    done, total = step.progress or (0, 0)
    if meter is not None:
        done, total = meter.done, meter.total or 0
    if not total:
        return ""
    filled = min(_BAR_CELLS, _BAR_CELLS * done // total)
    return f"[cyan]{'━' * filled}[/][dim]{'━' * (_BAR_CELLS - filled)}[/] "
