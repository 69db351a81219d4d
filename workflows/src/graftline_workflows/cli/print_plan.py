"""How plans look on a terminal, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape

from graftline_workflows.cli.console import SHORT_KEY, counted, line

if TYPE_CHECKING:
    from rich.console import Console

    from graftline.v1 import plan_pb2
    from graftline_workflows.recipe import ResolvedRecipe


def print_header(
    console: Console, plan: plan_pb2.Plan, store: str, run: str, resolved: ResolvedRecipe
) -> None:
    """Say what is about to run."""
    cached = sum(step.cached for step in plan.steps)
    line(console, f"{_title(plan.recipe, plan.profile)} · run {run} · store {escape(store)}")
    for warning in resolved.warnings:
        line(console, f"  [yellow]warning:[/] {escape(warning)}")
    line(console, f"{counted(len(plan.steps), 'step')}, {cached} cached")


def print_plan(console: Console, plan: plan_pb2.Plan, store: str, resolved: ResolvedRecipe) -> None:
    """Show a plan as a diff: `=` cached, `+` to build, with the reason."""
    line(console, f"{_title(plan.recipe, plan.profile)} · store {escape(store)}")
    for warning in resolved.warnings:
        line(console, f"  [yellow]warning:[/] {escape(warning)}")
    step_width = max((len(item.request.step) for item in plan.steps), default=0)
    stage_width = max((len(item.request.stage) for item in plan.steps), default=0)
    for item in plan.steps:
        request = item.request
        key = request.key[:SHORT_KEY]
        names = f"{request.step:<{step_width}}  {request.stage:<{stage_width}}  {key}"
        if item.cached:
            line(console, f"  [dim]= {names}  cached[/]")
        else:
            reason = escape(item.reason)
            line(
                console,
                f"  [green]+[/] [bold]{request.step:<{step_width}}[/]  "
                f"{request.stage:<{stage_width}}  [dim]{key}[/]  {reason}",
            )
    cached = sum(item.cached for item in plan.steps)
    line(console, f"{len(plan.steps) - cached} to build, {cached} cached")


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


def _title(recipe: str, profile: str) -> str:
    return f"[bold]{escape(recipe)}[/]" + (f" · profile {escape(profile)}" if profile else "")
