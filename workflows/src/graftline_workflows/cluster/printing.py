"""How a run in a cluster ended, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from graftline_workflows.cluster.ending import exit_code, own_cause, state_word
from graftline_workflows.cluster.views import State
from graftline_workflows.engine.meter import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from graftline_workflows.cluster.causes import Trouble
    from graftline_workflows.cluster.views import WorkflowView

_COLOURS = {"succeeded": "green", "gate-failed": "red", "failed": "red", "cancelled": "yellow"}


def print_ended(
    console: Console, view: WorkflowView, waited: Mapping[str, Trouble], *, quiet: bool
) -> None:
    """Say how it ended; if quiet, only what went wrong.

    Args:
        console: Where people read.
        view: The workflow.
        waited: By step, what it waited for last.
        quiet: Whether to leave out what went well.
    """
    state = state_word(view)
    if quiet and state == "succeeded":
        return
    for check in (view.verdict or {}).get("checks") or ():
        passed = bool(check.get("passed"))
        if passed and quiet:
            continue
        mark = "[green]✓[/]" if passed else "[red]✗[/]"
        where = f"{check.get('metric')} ({check.get('split')})"
        _line(console, f"  {mark} {escape(where)}  {escape(str(check.get('message')))}")
    _print_failures(console, view, waited, state)
    built = sum(step.state == State.BUILT for step in view.steps)
    cached = sum(step.state == State.CACHED for step in view.steps)
    counts = f"{built} built, {cached} cached"
    if view.started is not None and view.finished is not None:
        counts += f", {duration((view.finished - view.started).total_seconds())}"
    _line(console, f"[{_COLOURS.get(state, 'default')}]{_told(view, state)}[/] · {counts}")


def _print_failures(
    console: Console, view: WorkflowView, waited: Mapping[str, Trouble], state: str
) -> None:
    for step in view.failed:
        if step.cause is None:
            continue
        _line(console, f"\n[red]✗ '{step.name}' failed[/]: {escape(step.cause.text)}")
        hint = step.cause.hint
        if step.cause.overdue and step.name in waited:
            _line(console, f"  waited {escape(waited[step.name].text)}")
            hint = waited[step.name].hint or hint
        if hint:
            _line(console, f"  do     {escape(hint)}")
        for attempt in [item for item in step.latest if item.failed][:1]:
            selector = f"workflows.argoproj.io/workflow={view.name},graftline.dev/step={step.name}"
            if step is view.plan:
                selector = f"workflows.argoproj.io/workflow={view.name}"
            tail = f" (rank {attempt.rank})" if len(step.latest) > 1 else ""
            logs = f"kubectl logs -n {view.namespace} -c main -l {selector} --tail=-1"
            _line(console, f"  log    {escape(logs)}{tail}")
    if state == "failed" and not view.failed:
        gate = view.gate.cause if view.gate is not None else None
        cause = gate or own_cause(view)
        _line(console, f"\n[red]✗ workflow '{view.name}'[/]: {escape(cause.text)}")
        if cause.hint:
            _line(console, f"  do     {escape(cause.hint)}")
    waiting = [step.name for step in view.steps if step.state == State.NOT_RUN]
    if waiting:
        _line(console, f"  not run: {', '.join(waiting)}")


def _told(view: WorkflowView, state: str) -> str:
    if state == "gate-failed":
        return "gate not met"
    return f"{state} (exit code {exit_code(view)})" if state == "failed" else state


def _line(console: Console, text: str) -> None:
    console.print(text, highlight=False)
