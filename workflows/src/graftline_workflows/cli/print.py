"""How plans, results, runs and manifests look on a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.table import Table

from graftline.v1 import plan_pb2, stage_pb2
from graftline_workflows.building import RunResult, run_state_word
from graftline_workflows.engine.display import state_word
from graftline_workflows.engine.meter import duration, quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from graftline.v1.manifest_pb2 import Manifest
    from graftline_workflows.cleaning import Cleaning
    from graftline_workflows.conformance.verdict import CheckResult, Verdict
    from graftline_workflows.recipe import ResolvedRecipe
    from graftline_workflows.results import Figure, ResultRow

_SHORT_KEY = 12
_STATE_COLOURS = {
    plan_pb2.RUN_STATE_SUCCEEDED: "green",
    plan_pb2.RUN_STATE_GATE_FAILED: "red",
    plan_pb2.RUN_STATE_FAILED: "red",
    plan_pb2.RUN_STATE_CANCELLED: "yellow",
    plan_pb2.RUN_STATE_RUNNING: "cyan",
}


def _line(console: Console, text: str = "") -> None:
    console.print(text, highlight=False)


def _title(recipe: str, profile: str) -> str:
    return f"[bold]{escape(recipe)}[/]" + (f" · profile {escape(profile)}" if profile else "")


def print_header(
    console: Console, plan: plan_pb2.Plan, store: str, run: str, resolved: ResolvedRecipe
) -> None:
    """Say what is about to run."""
    cached = sum(step.cached for step in plan.steps)
    _line(console, f"{_title(plan.recipe, plan.profile)} · run {run} · store {escape(store)}")
    for warning in resolved.warnings:
        _line(console, f"  [yellow]warning:[/] {escape(warning)}")
    _line(console, f"{_steps(len(plan.steps))}, {cached} cached")


def _steps(count: int) -> str:
    return f"{count} step" if count == 1 else f"{count} steps"


def print_result(console: Console, result: RunResult, again: str, *, quiet: bool) -> None:
    """Say how a run ended; if quiet, only what went wrong, on stderr.

    Args:
        console: Where people read.
        result: How it ended.
        again: The command that was given.
        quiet: Whether to leave out what went well.
    """
    if not quiet:
        if result.rows:
            _line(console)
            console.print(_results_table(result.rows))
            _line(console, "[dim]95 % intervals; target: the profile's gate[/]")
        _print_paths(console, result)
    _print_failures(console, result, again)
    if not quiet or result.state != plan_pb2.RUN_STATE_SUCCEEDED:
        _line(console, _last_line(result))


def _results_table(rows: Sequence[ResultRow]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("metric", "baseline", "adapted", "target"):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(
            f"{row.metric} [dim]({row.split})[/]",
            _figure(row.baseline, show_variant=True),
            _figure(row.adapted, show_variant=False),
            f"{'[green]✓[/]' if row.passed else '[red]✗[/]'} {', '.join(row.target)}",
        )
    return table


def _figure(figure: Figure | None, *, show_variant: bool) -> str:
    if figure is None:
        return "–"
    text = f"{100 * figure.value:.1f} %"
    if figure.low is not None and figure.high is not None:
        text += f" \\[{100 * figure.low:.1f}, {100 * figure.high:.1f}]"
    if show_variant and figure.variant != "plain":
        text += f" [dim]{figure.variant.replace('_', '-')}[/]"
    return text


def _print_paths(console: Console, result: RunResult) -> None:
    for name, path in (("report", result.report), ("bundle", result.bundle)):
        if path is not None:
            _line(console, f"{name}  {escape(str(path))}")


def _print_failures(console: Console, result: RunResult, again: str) -> None:
    for step in result.outcome.failed:
        cause = escape(step.message)
        _line(
            console, f"\n[red]✗ step '{step.name}' failed[/] (exit code {step.exit_code}): {cause}"
        )
        if step.log is not None:
            _line(console, f"  log    {escape(str(step.log))}")
        _line(console, f"  retry  {escape(again)}")
    waiting = [
        step.name
        for step in result.outcome.steps
        if step.state == stage_pb2.STEP_STATE_WAITING and result.outcome.failed
    ]
    if waiting:
        _line(console, f"  not run: {', '.join(waiting)}")
    if result.state == plan_pb2.RUN_STATE_CANCELLED:
        _line(console, f"\nstopped; what was committed stays. To go on: {escape(again)}")


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


def plan_json(plan: plan_pb2.Plan) -> dict[str, Any]:
    """Give what `plan --json` prints."""
    return {
        "steps": [
            {
                "step": item.request.step,
                "stage": item.request.stage,
                "key": item.request.key,
                "cached": item.cached,
                "reason": item.reason,
            }
            for item in plan.steps
        ]
    }


def print_plan(console: Console, plan: plan_pb2.Plan, store: str, resolved: ResolvedRecipe) -> None:
    """Show a plan as a diff: `=` cached, `+` to build, with the reason."""
    _line(console, f"{_title(plan.recipe, plan.profile)} · store {escape(store)}")
    for warning in resolved.warnings:
        _line(console, f"  [yellow]warning:[/] {escape(warning)}")
    step_width = max((len(item.request.step) for item in plan.steps), default=0)
    stage_width = max((len(item.request.stage) for item in plan.steps), default=0)
    for item in plan.steps:
        request = item.request
        key = request.key[:_SHORT_KEY]
        names = f"{request.step:<{step_width}}  {request.stage:<{stage_width}}  {key}"
        if item.cached:
            _line(console, f"  [dim]= {names}  cached[/]")
        else:
            reason = escape(item.reason)
            _line(
                console,
                f"  [green]+[/] [bold]{request.step:<{step_width}}[/]  "
                f"{request.stage:<{stage_width}}  [dim]{key}[/]  {reason}",
            )
    cached = sum(item.cached for item in plan.steps)
    _line(console, f"{len(plan.steps) - cached} to build, {cached} cached")


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
        _line(console, "no runs yet")
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


def print_manifest(console: Console, manifest: Manifest) -> None:
    """Show a manifest: what made it, from what, what came out, what it cost."""
    table = Table.grid(padding=(0, 2))
    for name, value in _manifest_lines(manifest):
        table.add_row(f"[dim]{name}[/]", escape(value))
    console.print(table)


def _manifest_lines(manifest: Manifest) -> list[tuple[str, str]]:
    code = manifest.image or f"build {manifest.identity[:_SHORT_KEY]}"
    lines = [
        ("step", f"{manifest.step} ({manifest.stage} {manifest.stage_version}, {code})"),
        ("key", manifest.key),
        ("made", f"{manifest.finished_at.ToJsonString()} in run {manifest.run}"),
    ]
    if manifest.base_model:
        lines.append(("base model", manifest.base_model))
    for item in manifest.inputs:
        lines.append(("from", f"{item.port}: {item.step}.{item.output} {item.key[:_SHORT_KEY]}"))
    for source in manifest.sources:
        lines.append(("source", f"{source.setting}: {source.uri} {source.fingerprint[:19]}"))
    for output in manifest.outputs:
        artifact = output.artifact
        size = sum(blob.size for blob in artifact.blobs)
        rows = f", {artifact.rows:,} rows" if artifact.HasField("rows") else ""
        lines.append(
            ("output", f"{output.port}: {len(artifact.blobs)} files, {size:,} bytes{rows}")
        )
        lines.extend(("", f"  {blob.path}  {blob.size:,}") for blob in artifact.blobs[:20])
    if manifest.HasField("rows_in"):
        lines.append(("rows", f"{manifest.rows_in:,} in, {manifest.rows_out:,} out"))
    lines.extend(("rejected", f"{item.rows:,} {item.reason}") for item in manifest.rejected)
    lines.append(("cost", _cost(manifest)))
    lines.extend((name, quantity(value)) for name, value in sorted(manifest.figures.items()))
    lines.append(("seed", str(manifest.seed)))
    config = json.dumps(json.loads(manifest.config or "{}"), indent=2, ensure_ascii=False)
    lines.append(("config", config))
    return lines


def _cost(manifest: Manifest) -> str:
    cost = manifest.cost
    parts = []
    if cost.HasField("wall_seconds"):
        parts.append(duration(cost.wall_seconds))
    if cost.HasField("cpu_seconds"):
        parts.append(f"{duration(cost.cpu_seconds)} of CPU")
    if cost.HasField("gpu_seconds"):
        parts.append(f"{duration(cost.gpu_seconds)} of GPU")
    if cost.HasField("peak_memory_bytes"):
        parts.append(f"{cost.peak_memory_bytes / (1 << 20):,.0f} MiB at most")
    if cost.HasField("usd"):
        parts.append(f"{cost.usd:.4f} USD")
    return ", ".join(parts) or "unknown"


def print_cleaning(console: Console, cleaning: Cleaning) -> None:
    """Say what would go, or went."""
    runs, steps = len(cleaning.removed_runs), len(cleaning.removed_keys)
    sources = f"{len(cleaning.removed_sources)} sent sources, " if cleaning.removed_sources else ""
    what = f"{runs} runs, {_steps(steps)}, {sources}{cleaning.bytes:,} bytes"
    kept = f"kept: {len(cleaning.kept_runs)} runs, {_steps(len(cleaning.kept_keys))}"
    if cleaning.dry_run:
        _line(console, f"would go: {what} ({kept})")
        if runs or steps or cleaning.bytes:
            _line(console, f"to let it go: graftline gc --keep {cleaning.keep_runs} --yes")
    else:
        _line(console, f"gone: {what} ({kept})")


def print_stages(console: Console, entries: Sequence[Any]) -> None:
    """List stages."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("stage", "in", "out", "what it does"):
        table.add_column(heading)
    for entry in entries:
        table.add_row(
            entry.name,
            ", ".join(entry.inputs) or "–",
            ", ".join(entry.outputs),
            escape(entry.descriptor.summary),
        )
    console.print(table)


def print_stage(console: Console, entry: Any) -> None:
    """Show a stage's ports and settings."""
    from graftline_workflows.catalog.model import kinds_of

    _line(console, f"[bold]{entry.name}[/]  {escape(entry.descriptor.summary)}")
    for title, ports in (("in", entry.inputs), ("out", entry.outputs)):
        for port in ports.values():
            marks = [mark for mark in ("optional", "repeated") if getattr(port, mark)]
            kinds = f"{' | '.join(kinds_of(port))}{', ' if marks else ''}{', '.join(marks)}"
            _line(console, f"  {title:<4} {port.name} ({kinds})  {escape(port.help)}")
    for title, schema in (("with", entry.config_schema), ("runtime", entry.runtime_schema)):
        for name, setting in schema.get("properties", {}).items():
            default = json.dumps(setting["default"]) if "default" in setting else "required"
            text = escape(f"{name} = {default}  {setting.get('description', '')}")
            _line(console, f"  {title:<8}{text}")


def recipes_json() -> dict[str, Any]:
    """Give the built-in recipes as plain JSON."""
    from graftline_workflows.recipe import recipe_names
    from graftline_workflows.recipe.files import read_recipe
    from graftline_workflows.recipe.model import parse_recipe

    recipes = []
    for name in recipe_names():
        recipe = parse_recipe(read_recipe(name).values, name)
        recipes.append(
            {
                "recipe": name,
                "description": recipe.description,
                "default_profile": recipe.default_profile,
                "profiles": {key: value.description for key, value in recipe.profiles.items()},
                "parameters": {key: value.help for key, value in recipe.parameters.items()},
                "steps": list(recipe.steps),
            }
        )
    return {"recipes": recipes}


def print_recipes(console: Console) -> None:
    """List the built-in recipes."""
    for recipe in recipes_json()["recipes"]:
        _line(console, f"[bold]{recipe['recipe']}[/]  {escape(recipe['description'])}")
        for title in ("profiles", "parameters"):
            for name, text in recipe[title].items():
                _line(console, f"  {title[:-1]:<10} {name}  {escape(text)}")


def print_check(console: Console, result: CheckResult) -> None:
    """Show one conformance check."""
    marks = {"kept": "[green]✓[/]", "not kept": "[red]✗[/]"}
    line = f"  {marks.get(result.state, '[dim]–[/]')} {escape(result.promise)}"
    detail = f"  [dim]{escape(result.detail)}[/]" if result.detail else ""
    _line(console, f"{line}{detail}")


def print_conformance(console: Console, verdict: Verdict) -> None:
    """Show a conformance verdict."""
    missed = sum(result.state != "kept" for result in verdict.checks)
    if verdict.passed:
        _line(console, f"[green]{escape(verdict.stage)} keeps the contract[/]")
    else:
        _line(console, f"[red]{escape(verdict.stage)} does not keep it: {missed} checks[/]")
