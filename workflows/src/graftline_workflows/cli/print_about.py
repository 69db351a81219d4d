"""How stages and conformance look on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.table import Table

from graftline_workflows.cli.console import line
from graftline_workflows.cli.print_settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from graftline_workflows.conformance.verdict import CheckResult, Verdict


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

    line(console, f"[bold]{entry.name}[/]  {escape(entry.descriptor.summary)}")
    for title, ports in (("in", entry.inputs), ("out", entry.outputs)):
        for port in ports.values():
            marks = [mark for mark in ("optional", "repeated") if getattr(port, mark)]
            kinds = f"{' | '.join(kinds_of(port))}{', ' if marks else ''}{', '.join(marks)}"
            line(console, f"  {title:<4} {port.name} ({kinds})  {escape(port.help)}")
    for title, schema in (("with", entry.config_schema), ("runtime", entry.runtime_schema)):
        for setting in settings_of(schema):
            default = f" = {setting.default}" if setting.default else ""
            only = f"  ({setting.only})" if setting.only else ""
            text = escape(f"{setting.path}{default}{only}  {setting.description}")
            line(console, f"  {title:<8}{text}")


def print_check(console: Console, result: CheckResult) -> None:
    """Show one conformance check."""
    marks = {"kept": "[green]✓[/]", "not kept": "[red]✗[/]"}
    text = f"  {marks.get(result.state, '[dim]–[/]')} {escape(result.promise)}"
    detail = f"  [dim]{escape(result.detail)}[/]" if result.detail else ""
    line(console, f"{text}{detail}")


def print_conformance(console: Console, verdict: Verdict) -> None:
    """Show a conformance verdict."""
    missed = sum(result.state != "kept" for result in verdict.checks)
    if verdict.passed:
        line(console, f"[green]{escape(verdict.stage)} keeps the contract[/]")
    else:
        line(console, f"[red]{escape(verdict.stage)} does not keep it: {missed} checks[/]")
