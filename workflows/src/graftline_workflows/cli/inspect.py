"""`runs`, `show`, `lineage`, `logs`, `get`: reading what is in the store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graftline.errors import ConfigError, DataError
from graftline_workflows.cli.app import App, shared_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from graftline.v1.manifest_pb2 import Manifest
    from graftline_workflows.session import StoreSession

_run_option = click.option(
    "--run", default="", metavar="ID", help="Look into this run, not the newest."
)


def step_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument that names a step."""
    return click.argument("step", metavar="STEP|KEY")(_run_option(command))


@click.command("runs")
@click.option("--limit", default=20, help="How many, the newest first.")
@shared_options
def runs_command(app: App, limit: int) -> None:
    """List runs, the newest first."""
    from graftline_workflows.cli.print_run import print_runs, run_json

    with app.session(reading=True, must_exist=True) as session:
        records = session.records.list(max(1, limit))
    running = app.home.running()
    if app.json:
        app.print_json({"runs": [run_json(record) for record in records]})
    else:
        print_runs(app.console(), records, running)


@click.command("show")
@step_argument
@shared_options
def show_command(app: App, step: str, run: str) -> None:
    """Show what made a step's artifact, and from what: its manifest.

    \b
    Examples:
      graftline show adapter
      graftline show adapter --json
      graftline show 3fa94c --run 20250131-120059-3fa9
    """  # noqa: D301 - click reads \b as a control character
    from google.protobuf.json_format import MessageToDict

    from graftline_workflows.cli.print_manifest import print_manifest

    with app.session(reading=True, must_exist=True) as session:
        manifest = _manifest(session, step, run)
    if app.json:
        app.print_json(MessageToDict(manifest))
    else:
        print_manifest(app.console(), manifest)


@click.command("lineage")
@step_argument
@click.option(
    "--row", default="", metavar="ID", help="Follow this row of the step, or the start of its id."
)
@shared_options
def lineage_command(app: App, step: str, run: str, row: str) -> None:
    """Show what a step's artifact, or one row of it, was made from, back to the sources.

    Of a row: its paragraph, and what the model learned of the same one or of others like it.

    \b
    Examples:
      graftline lineage adapted
      graftline lineage adapted --row 3fa94c
    """  # noqa: D301 - click reads \b as a control character
    from graftline_workflows.cli.print_lineage import print_lineage
    from graftline_workflows.lineage import lineage_json, lineage_of

    with app.session(reading=True, must_exist=True) as session:
        manifest = _manifest(session, step, run)
        if row:
            _show_row(app, session, manifest, row)
            return
        manifests = lineage_of(session, manifest)
    if app.json:
        app.print_json(lineage_json(manifests))
    else:
        print_lineage(app.console(), manifests)


@click.command("logs")
@click.argument("step")
@_run_option
@shared_options
def logs_command(app: App, step: str, run: str) -> None:
    """Print what a step said; for a cached step, what it said when it was built."""
    from graftline_workflows.records import find_step

    with app.session(reading=True, must_exist=True) as session:
        found = find_step(session, step, run)
        text = _log(app, session, found.run, found.name)
        lookup = session.manifests.lookup(found.key) if text is None else None
        manifest = lookup.manifest if lookup is not None else None
        if manifest is not None:
            found_run, found_step = manifest.run, manifest.step
            text = _log(app, session, found_run, found_step)
    if text is None:
        raise DataError(f"there is no log of step '{step}'", "it may not have been started yet")
    if app.json:
        app.print_json({"step": step, "log": text})
    else:
        sys.stdout.write(text)


@click.command("get")
@step_argument
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--output", default="", metavar="PORT", help="Only this output of the step.")
@shared_options
def get_command(app: App, step: str, folder: Path, run: str, output: str) -> None:
    """Put a step's files into a folder, digests verified.

    A step with one output gives its files; with several, a folder each.

    \b
    Examples:
      graftline get export ./bundle
      graftline get curate ./data --output examples
    """  # noqa: D301 - click reads \b as a control character
    from graftline_workflows.home import os_error

    try:
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"{folder} is not empty", "name a new folder")
        with app.session(reading=True, must_exist=True) as session:
            manifest = _manifest(session, step, run)
            placed = _fetch(session, manifest, folder, output)
    except OSError as error:
        raise os_error(error, f"cannot write to {folder}") from error
    if app.json:
        app.print_json({"step": manifest.step, "key": manifest.key, "outputs": placed})
    elif not app.quiet:
        for port, path in placed.items():
            sys.stdout.write(f"{port}: {path}\n")


def _fetch(session: StoreSession, manifest: Manifest, folder: Path, output: str) -> dict[str, str]:
    from graftline.config import nearest

    ports = [item.port for item in manifest.outputs]
    if output and output not in ports:
        near = nearest(output, ports) or f"; its outputs: {', '.join(ports)}"
        raise ConfigError(f"step '{manifest.step}' has no output '{output}'{near}")
    placed = {}
    for item in manifest.outputs:
        if output in ("", item.port):
            target = folder if output or len(ports) == 1 else folder / item.port
            target.mkdir(parents=True, exist_ok=True)
            session.manifests.fetch(manifest.key, item.artifact, target)
            placed[item.port] = str(target)
    return placed


def _show_row(app: App, session: StoreSession, manifest: Manifest, wanted: str) -> None:
    from graftline_workflows.cli.print_lineage import print_row
    from graftline_workflows.lineage.row import row_lineage

    found = row_lineage(session, manifest, wanted)
    if app.json:
        app.print_json(found.as_json())
    else:
        print_row(app.console(), found)


def _manifest(session: StoreSession, step: str, run: str) -> Manifest:
    from graftline_workflows.records import find_step, manifest_of

    return manifest_of(session, find_step(session, step, run))


def _log(app: App, session: StoreSession, run: str, step: str) -> str | None:
    if not (run and step):
        return None
    try:
        return app.home.log_path(run, step).read_text(errors="replace")
    except OSError:
        found = session.store.get(f"runs/{run}/logs/{step}.log")
        return found.data.decode(errors="replace") if found is not None else None


COMMANDS = (runs_command, show_command, lineage_command, logs_command, get_command)
