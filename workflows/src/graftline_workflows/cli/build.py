"""`run` and `plan`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graftline_workflows.cli.app import App, shared_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from graftline_workflows.engine.display import Display

_RUN_HELP = """Build what changed, then judge it.

Steps whose artifacts are in the store are not run again. Ctrl-C loses nothing that was committed;
the same command goes on from there.

\b
Examples:
  graftline run json-extraction
  graftline run json-extraction --profile tiny --set adapter.lora_r=8
  graftline run json-extraction --set source=tickets.jsonl --set schema=ticket.schema.json
  graftline run json-extraction --until format
  graftline run json-extraction --image curate=exec:./my-curate
  graftline run json-extraction --store s3://team/graftline --json
"""
_PLAN_HELP = """Say what a run would build, and why; nothing is built.

\b
Examples:
  graftline plan json-extraction
  graftline plan json-extraction --set adapter.lora_r=32
  graftline plan ./my-recipe.yaml --json
"""


def old_settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that take an older system's configuration."""
    options = (
        click.option(
            "--env-file",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Set what a file of NAME=value lines says, by the recipe's own table; --set wins.",
        ),
        click.option(
            "--from-env",
            is_flag=True,
            help="Set what this process's variables say, by the same table; they go before a file.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def all_overrides(
    recipe: str,
    overrides: tuple[str, ...],
    env_file: Path | None,
    from_env: bool,
    *,
    sends: bool = False,
) -> tuple[str, ...]:
    """Give the overrides of an older system's configuration, and then those of --set.

    API keys that it holds are put into this process's environment, where the steps find them;
    what is set there already stays.

    Args:
        recipe: A recipe's name or file.
        overrides: Those of --set.
        env_file: A file of NAME=value lines.
        from_env: Whether the environment's variables count.
        sends: Whether the steps run elsewhere, where no key of this process gets to.
    """
    if env_file is None and not from_env:
        return overrides
    from graftline_workflows.recipe.environment import read_old_settings

    found = read_old_settings(recipe, env_file, os.environ if from_env else None)
    warnings = [found.warning] if found.warning else []
    if sends and found.secrets:
        told = ", ".join(found.secrets)
        warnings.append(f"not sent: {told} (in a cluster, API keys come from a Secret of its own)")
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    for name, value in found.secrets.items() if not sends else ():
        os.environ[name] = os.environ.get(name) or value
    return (*found.overrides, *overrides)


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name a recipe and a part of it."""
    options = (
        click.argument("recipe"),
        click.option(
            "--profile", "-p", default="", help="A profile of the recipe (tiny, cpu, gpu)."
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="PATH=VALUE",
            help="Set a parameter, a step's setting or a gate's threshold; may be given often.",
        ),
        old_settings_options,
        click.option(
            "--image",
            "images",
            multiple=True,
            metavar="STAGE=IMAGE",
            help="Run a stage's steps by another program: exec:COMMAND.",
        ),
        click.option("--until", default="", metavar="STEP", help="Stop after this step."),
        click.option("--from", "from_", default="", metavar="STEP", help="Begin with this step."),
        click.option("--only", default="", metavar="STEP", help="Look at this step alone."),
        click.option(
            "--again",
            multiple=True,
            metavar="STEP",
            help="Build this step though it is cached: requests to a language model that failed "
            "are asked again, answers that are kept are not. What it makes takes the old one's "
            "place under the same key, and all that was made from that is built anew, in other "
            "runs too. May be given often.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("run", help=_RUN_HELP)
@recipe_options
@click.option(
    "--cores",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Use at most so many cores (0: all).",
)
@shared_options
def run_command(
    app: App,
    recipe: str,
    env_file: Path | None,
    from_env: bool,
    overrides: tuple[str, ...],
    images: tuple[str, ...],
    cores: int,
    **options: Any,
) -> int:
    """Run a recipe; the exit code is the gate's verdict, or the failed step's."""
    from graftline_workflows.home import new_run_id

    overrides = all_overrides(recipe, overrides, env_file, from_env)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run = new_run_id()
    app.home.prepare()
    with app.home.lock(run) as interrupted, app.session() as session:
        # What is slow to import is imported while the store comes up.
        from graftline_workflows.building import RecipeRun, Wanted, parse_images
        from graftline_workflows.cli.print_plan import print_header
        from graftline_workflows.cli.print_run import print_result
        from graftline_workflows.engine.local import Limits

        console = app.console()
        recipe_run = RecipeRun(
            Wanted(recipe, overrides=overrides, images=parse_images(images), **options),
            app.home,
            session,
            _display(app, console),
            run=run,
            interrupted=interrupted,
            limits=Limits(cores=cores),
        )
        plan = recipe_run.prepare()
        if not app.quiet:
            print_header(console, plan, session.store.uri, run, recipe_run.planner.resolved)
        result = recipe_run.execute(plan)
    if app.json:
        app.print_json(result.as_json())
    retry = _retry(sys.argv[1:], [step.name for step in result.outcome.steps if step.built])
    print_result(console, result, retry, quiet=app.quiet or app.json)
    return result.exit_code


@click.command("plan", help=_PLAN_HELP)
@recipe_options
@shared_options
def plan_command(
    app: App,
    recipe: str,
    env_file: Path | None,
    from_env: bool,
    overrides: tuple[str, ...],
    images: tuple[str, ...],
    **options: Any,
) -> None:
    """Print a plan."""
    overrides = all_overrides(recipe, overrides, env_file, from_env)
    with app.session(reading=True) as session:
        from graftline_workflows.building import Planner, Wanted, parse_images
        from graftline_workflows.cli.print_plan import plan_json, print_plan

        wanted = Wanted(recipe, overrides=overrides, images=parse_images(images), **options)
        planner = Planner(wanted, app.home, session)
        plan = planner.plan(again=True)
        store = session.store.uri
    if app.json:
        app.print_json(plan_json(plan))
    else:
        print_plan(app.console(), plan, store, planner.resolved)


def _display(app: App, console: Console) -> Display:
    from graftline_workflows.engine.display import Plain, Quiet

    if app.quiet:
        return Quiet()
    if console.is_terminal:
        from graftline_workflows.engine.live import LiveDisplay

        return LiveDisplay(console, verbose=app.verbose)
    return Plain(sys.stderr if app.json else sys.stdout, verbose=app.verbose)


def _retry(arguments: list[str], built: list[str]) -> str:
    """Give the command that goes on; what was built again by now need not be once more."""
    import shlex

    text = shlex.join(["graftline", *arguments])
    for step in built:
        for done in (f" --again {step}", f" --again={step}"):
            text = text.replace(f"{done} ", " ").removesuffix(done)
    return text


COMMANDS = (run_command, plan_command)
