"""`gc` and `verify`: looking after the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from graftline.errors import EXIT_DATA, EXIT_OK
from graftline_workflows.cli.app import App, shared_options

if TYPE_CHECKING:
    from rich.console import Console

    from graftline_workflows.verifying import Damage


@click.command("gc")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=10,
    metavar="N",
    help="Keep what the newest N runs need (10).",
)
@click.option(
    "--grace-hours",
    type=click.FloatRange(min=0),
    help="Leave what is younger than this (0 in the embedded store, else 24).",
)
@click.option(
    "--answers-days",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Also language models' answers older than this (all are kept: they were paid for).",
)
@click.option("--yes", is_flag=True, help="Remove it; without, only say what would go.")
@shared_options
def gc_command(
    app: App, keep: int, grace_hours: float | None, answers_days: float | None, yes: bool
) -> None:
    """Throw away what no kept run needs; first only says what that would be.

    \b
    Examples:
      graftline gc --keep 5          what would go
      graftline gc --keep 5 --yes    let it go
      graftline gc --answers-days 90 --yes    and answers of three months ago
    """  # noqa: D301 - click reads \b as a control character
    from datetime import timedelta

    from graftline_workflows.cleaning import clean
    from graftline_workflows.cli.print_manifest import print_cleaning
    from graftline_workflows.records import close_interrupted

    if grace_hours is None:
        grace_hours = 24.0 if app.store_uri else 0.0
    session = app.session(reading=not yes, must_exist=True)
    app.home.prepare()
    with app.home.lock("gc") as interrupted, session:
        close_interrupted(session, interrupted)
        grace = timedelta(hours=grace_hours)
        answers = None if answers_days is None else timedelta(days=answers_days)
        cleaning = clean(
            session, app.home, keep_runs=keep, grace=grace, answers=answers, dry_run=not yes
        )
    if app.json:
        app.print_json(cleaning.as_json())
    else:
        print_cleaning(app.console(), cleaning)


@click.command("verify")
@click.option("--run", default="", metavar="ID", help="This run, not the newest.")
@shared_options
def verify_command(app: App, run: str) -> int:
    """Digest every file of a run's artifacts anew; damaged ones will be built again."""
    from graftline_workflows.verifying import verify_run

    console = app.console()

    def told(step: str, damages: list[Damage]) -> None:
        if not (app.quiet or app.json):
            _print_step(console, step, damages)

    with app.session(reading=True, must_exist=True) as session:
        found = verify_run(session, app.home, run, told)
    if app.json:
        app.print_json(found.as_json())
    else:
        state = f"{len(found.damages)} damaged" if found.damages else "all as they were committed"
        console.print(
            f"run {found.run}: {found.files} files, {found.bytes:,} bytes: {state}",
            highlight=False,
        )
    return EXIT_DATA if found.damages else EXIT_OK


def _print_step(console: Console, step: str, damages: list[Damage]) -> None:
    from rich.markup import escape

    for damage in damages:
        text = escape(f"{damage.output}: {damage.problem}" if damage.output else damage.problem)
        console.print(f"  [red]✗[/] {step}  {text}", highlight=False)
    if not damages:
        console.print(f"  [green]✓[/] {step}", highlight=False)


COMMANDS = (gc_command, verify_command)
