"""How runs look on a terminal, and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.table import Table

from graftline.v1 import plan_pb2, stage_pb2
from graftline_workflows.cli.console import line
from graftline_workflows.engine.display import state_word
from graftline_workflows.engine.meter import duration
from graftline_workflows.records import run_state_word
from graftline_workflows.results import spell_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from graftline_workflows.building import RunResult
    from graftline_workflows.results import Figure, ResultRow

_STATE_COLOURS = {
    plan_pb2.RUN_STATE_SUCCEEDED: "green",
    plan_pb2.RUN_STATE_GATE_FAILED: "red",
    plan_pb2.RUN_STATE_FAILED: "red",
    plan_pb2.RUN_STATE_CANCELLED: "yellow",
    plan_pb2.RUN_STATE_RUNNING: "cyan",
}


def print_result(console: Console, result: RunResult, retry: str, *, quiet: bool) -> None:
    """Say how a run ended; if quiet, only what went wrong, on stderr.

    Args:
        console: Where people read.
        result: How it ended.
        retry: The command that goes on.
        quiet: Whether to leave out what went well.
    """
    if not quiet:
        if result.rows:
            line(console)
            console.print(_results_table(result.rows))
            line(console, "[dim]95 % intervals; target: the profile's gate[/]")
        _print_paths(console, result)
    _print_failures(console, result, retry)
    if not quiet or result.state != plan_pb2.RUN_STATE_SUCCEEDED:
        line(console, _last_line(result))


def _results_table(rows: Sequence[ResultRow]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("metric", "baseline", "adapted", "target"):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(
            f"{row.metric} [dim]({row.split})[/]",
            _figure(row.baseline, share=row.share, show_variant=True),
            _figure(row.adapted, share=row.share, show_variant=False),
            f"{'[green]✓[/]' if row.passed else '[red]✗[/]'} {', '.join(row.target)}",
        )
    return table


def _figure(figure: Figure | None, *, share: bool, show_variant: bool) -> str:
    if figure is None:
        return "–"
    text = spell_figure(figure.value, share=share, unit=" %")
    if figure.low is not None and figure.high is not None:
        low, high = (spell_figure(end, share=share) for end in (figure.low, figure.high))
        text += f" \\[{low}, {high}]"
    if show_variant and figure.variant != "plain":
        text += f" [dim]{figure.variant.replace('_', '-')}[/]"
    return text


def _print_paths(console: Console, result: RunResult) -> None:
    for name, path in (("report", result.report), ("bundle", result.bundle)):
        if path is not None:
            line(console, f"{name}  {escape(str(path))}")


def _print_failures(console: Console, result: RunResult, retry: str) -> None:
    for step in result.outcome.failed:
        cause = escape(step.message)
        line(
            console, f"\n[red]✗ step '{step.name}' failed[/] (exit code {step.exit_code}): {cause}"
        )
        if step.log is not None:
            line(console, f"  log    {escape(str(step.log))}")
        line(console, f"  retry  {escape(retry)}")
    waiting = [
        step.name
        for step in result.outcome.steps
        if step.state == stage_pb2.STEP_STATE_WAITING and result.outcome.failed
    ]
    if waiting:
        line(console, f"  not run: {', '.join(waiting)}")
    if result.state == plan_pb2.RUN_STATE_CANCELLED:
        line(console, f"\nstopped; what was committed stays. To go on: {escape(retry)}")


def _last_line(result: RunResult) -> str:
    built = sum(step.built for step in result.outcome.steps)
    cached = sum(step.state == stage_pb2.STEP_STATE_CACHED for step in result.outcome.steps)
    counts = f"{built} built, {cached} cached, {duration(result.seconds)}"
    colour = _STATE_COLOURS[result.state]
    if result.verdict is None:
        return f"[{colour}]{run_state_word(result.state)}[/] · {counts}"
    missed = [check for check in result.verdict.checks if not check["passed"]]
    gate = f"gate not met ({len(missed)} of {len(result.verdict.checks)} checks)"
    texts = [f"\n  {item['metric']} ({item['split']}): {item['message']}" for item in missed]
    said = f"{gate}{escape(''.join(texts))}\n" if missed else "gate passed · "
    if result.state in (plan_pb2.RUN_STATE_SUCCEEDED, plan_pb2.RUN_STATE_GATE_FAILED):
        return f"[{colour}]{said}[/]{counts}"
    return f"[{colour}]{run_state_word(result.state)}[/] · {counts}"


def run_json(record: plan_pb2.RunRecord) -> dict[str, Any]:
    """Give a run as plain JSON."""
    finished = record.finished_at.ToJsonString() if record.HasField("finished_at") else None
    return {
        "run": record.run,
        "recipe": record.recipe,
        "profile": record.profile,
        "state": run_state_word(record.state),
        "user": record.user,
        "host": record.host,
        "engine": record.engine,
        "started_at": record.started_at.ToJsonString(),
        "finished_at": finished,
        "overrides": list(record.overrides),
        "gate": json.loads(record.gate) if record.gate else None,
        "steps": [
            {
                "step": step.step,
                "stage": step.stage,
                "key": step.key,
                "state": state_word(step.state),
                "message": step.message,
            }
            for step in record.steps
        ],
    }


def print_runs(console: Console, records: Sequence[plan_pb2.RunRecord], running: str) -> None:
    """List runs.

    Args:
        console: Where people read.
        records: The runs.
        running: The run that holds this home now, if there is one.
    """
    if not records:
        line(console, "no runs yet")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("run", "recipe", "profile", "state", "built", "cached", "took", "overrides"):
        table.add_column(heading, no_wrap=heading != "overrides")
    for record in records:
        states = [step.state for step in record.steps]
        word = run_state_word(record.state)
        if record.state == plan_pb2.RUN_STATE_RUNNING and record.run != running:
            word = "running elsewhere, or interrupted"
        colour = _STATE_COLOURS.get(record.state, "")
        table.add_row(
            record.run,
            escape(record.recipe),
            escape(record.profile),
            f"[{colour}]{word}[/]" if colour else word,
            str(states.count(stage_pb2.STEP_STATE_SUCCEEDED)),
            str(states.count(stage_pb2.STEP_STATE_CACHED)),
            _took(record),
            escape(" ".join(record.overrides)),
        )
    console.print(table)


def _took(record: plan_pb2.RunRecord) -> str:
    if not record.HasField("finished_at"):
        return "–"
    return duration(_seconds(record.finished_at) - _seconds(record.started_at))


def _seconds(stamp: Any) -> float:
    return float(stamp.seconds) + float(stamp.nanos) / 1e9
