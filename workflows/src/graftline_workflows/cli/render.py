"""`render`: Argo WorkflowTemplates from the catalog and recipes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from graftline.errors import EXIT_GATE, EXIT_OK, ConfigError
from graftline_workflows.cli.app import App, shared_options

if TYPE_CHECKING:
    from graftline_workflows.argo.rendering import Difference

_RENDER_HELP = """Write Argo WorkflowTemplates: one a stage, one a recipe.

RECIPES are built-in recipes' names, or files of your own; all built-in recipes if none is named.
They go below --output as stages/<stage>.yaml, recipes/<recipe>.yaml and, with the recipe's text for
the plan pod, recipe-files/<recipe>.yaml; in a source checkout, into the chart if nothing else is
said. The same input gives the same bytes. A recipe of your own is installed beside the chart's:

\b
  graftline render ./my-recipe.yaml --output out
  kubectl apply -f out/recipe-files/my-recipe.yaml -f out/recipes/my-recipe.yaml

\b
Examples:
  graftline render --output out                    every stage and built-in recipe
  graftline render json-extraction -o out          the stages and one recipe
  graftline render --check                         is the chart what would be rendered now?
"""


@click.command("render", help=_RENDER_HELP, short_help="Write Argo WorkflowTemplates.")
@click.argument("recipes", nargs=-1, metavar="[RECIPE|FILE]...")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder (default: the chart's, in a source checkout).",
)
@click.option(
    "--check", is_flag=True, help="Write nothing; exit code 1 if a file is not as it should be."
)
@shared_options
def render_command(app: App, recipes: tuple[str, ...], output: Path | None, check: bool) -> int:
    """Render, and write or compare."""
    from graftline_workflows import catalog
    from graftline_workflows.argo.rendering import GOLDENS, differences, render, write

    folder = output or GOLDENS
    if output is None and not GOLDENS.parent.is_dir():
        raise ConfigError("this is no source checkout, which has a chart", "give --output DIR")
    files = render(catalog.load_catalog(), recipes)
    whole = not recipes  # with some recipes named, the others are not left over
    found = (differences if check else write)(files, folder, whole=whole)
    if app.json:
        changed = [{"file": item.name, "why": item.why} for item in found]
        app.print_json({"folder": str(folder), "files": sorted(files), "changed": changed})
    elif not app.quiet:
        _print(app, folder, len(files), found, check=check)
    return EXIT_GATE if check and found else EXIT_OK


def _print(app: App, folder: Path, count: int, found: list[Difference], *, check: bool) -> None:
    from rich.markup import escape

    console = app.console()
    for item in found:
        word = item.why if check else "removed" if item.why == "left over" else "wrote"
        console.print(f"{word}  {escape(str(folder / item.name))}", highlight=False)
    said = f"{count} templates, {len(found)} {'differ' if check else 'written anew'}"
    console.print(said + ("; graftline render writes them" if check and found else ""))


COMMANDS = (render_command,)
