"""`stages`, `recipes`, `catalog`, `conformance`: what there is, and whether it fits."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import click

from graftline.errors import EXIT_GATE, EXIT_OK, ConfigError
from graftline_workflows.cli.app import App, shared_options


@click.command("stages")
@click.argument("stage", required=False)
@shared_options
def stages_command(app: App, stage: str | None) -> None:
    """List the stages that recipes can use; one of them with its ports and settings.

    \b
    Examples:
      graftline stages
      graftline stages curate
    """  # noqa: D301 - click reads \b as a control character
    from graftline_workflows.catalog import load_catalog
    from graftline_workflows.catalog.model import write_descriptor
    from graftline_workflows.cli.print_about import print_stage, print_stages

    catalog = load_catalog()
    if stage is not None:
        entry = catalog.entry(stage)
        if app.json:
            app.print_json(json.loads(write_descriptor(entry.descriptor)))
        else:
            print_stage(app.console(), entry)
    elif app.json:
        entries = catalog.stages.values()
        app.print_json({"stages": [json.loads(write_descriptor(e.descriptor)) for e in entries]})
    else:
        print_stages(app.console(), list(catalog.stages.values()))


@click.command("recipes")
@click.argument("recipe", required=False)
@shared_options
def recipes_command(app: App, recipe: str | None) -> None:
    """List the built-in recipes; one of them, or a file's, with all that can be set.

    \b
    Examples:
      graftline recipes
      graftline recipes docs-qa
    """  # noqa: D301 - click reads \b as a control character
    from graftline_workflows.cli.print_recipes import (
        print_recipe,
        print_recipes,
        recipe_json,
        recipes_json,
    )

    if recipe is not None and app.json:
        app.print_json(recipe_json(recipe))
    elif recipe is not None:
        print_recipe(app.console(), recipe_json(recipe))
    elif app.json:
        app.print_json(recipes_json())
    else:
        print_recipes(app.console())


@click.command("catalog")
@click.option("--write", is_flag=True, help="Write the files; without, only say which are stale.")
def catalog_command(write: bool) -> int:
    """Generate the catalog from every service's descriptor (in a source checkout)."""
    from graftline_workflows.catalog.generate import main as generate

    return generate([] if write else ["--check"])


@click.command("conformance")
@click.argument("command", metavar="COMMAND|IMAGE")
@click.option("--config", default="{}", metavar="JSON|@FILE", help="The stage's settings.")
@click.option(
    "--input", "inputs", multiple=True, metavar="PORT=FOLDER", help="An input's files; repeatable."
)
@click.option(
    "--source", "sources", multiple=True, metavar="SETTING=URI", help="A source; repeatable."
)
@click.option("--seed", default=0, help="The step's seed.")
@click.option("--timeout", "timeout_s", default=600.0, help="Seconds that one run may take.")
@click.option(
    "--container-cli",
    type=click.Choice(["docker", "podman"]),
    help="What runs images (default: the first of them that works).",
)
@shared_options
def conformance_command(
    app: App,
    command: str,
    config: str,
    inputs: tuple[str, ...],
    sources: tuple[str, ...],
    seed: int,
    timeout_s: float,
    container_cli: str | None,
) -> int:
    """Check whether a stage keeps the contract, by running it on small inputs.

    COMMAND is called as `COMMAND describe` and `COMMAND run`; `exec:PROGRAM` puts our runner around
    a program in another language.

    IMAGE is `image:REFERENCE`; a bare reference does if it has a tag, a digest or a registry's
    host, and is neither a file nor a program on PATH. Its `graftline-stage` is run by docker or
    podman as in a cluster: as user 65532, on a read-only root, without capabilities, in a network
    with the store and nothing else.

    \b
    Examples:
      graftline conformance "python -m graftline_curate"
      graftline conformance exec:./my-curate --config '{"operations": []}' --json
      graftline conformance registry.example/my-curate:1
      graftline conformance image:my-curate --container-cli podman
    """  # noqa: D301 - click reads \b as a control character
    from graftline_workflows.cli.print_about import print_check, print_conformance
    from graftline_workflows.conformance.reference import image_reference
    from graftline_workflows.conformance.verdict import CheckResult, judge_image, judge_stage

    # So that whatever is running is stopped and removed, as by Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = app.console()

    def tell(result: CheckResult) -> None:
        if not (app.json or app.quiet):
            print_check(console, result)

    image = image_reference(command)
    if image is None and container_cli:
        raise ConfigError(
            f"--container-cli is for images, and '{command}' is taken for a command",
            f"an image is named image:{command}",
        )
    settings = _json_object(config)
    folders = {port: Path(folder) for port, folder in _pairs("--input", inputs).items()}
    uris = _pairs("--source", sources)
    if image is None:
        verdict = judge_stage(
            command,
            config=settings,
            inputs=folders,
            sources=uris,
            seed=seed,
            timeout_s=timeout_s,
            tell=tell,
        )
    else:
        verdict = judge_image(
            image,
            config=settings,
            inputs=folders,
            sources=uris,
            seed=seed,
            timeout_s=timeout_s,
            container_cli=container_cli or "",
            tell=tell,
        )
    if app.json:
        app.print_json(verdict.to_json())
    else:
        print_conformance(console, verdict)
    return EXIT_OK if verdict.passed else EXIT_GATE


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(Path(text[1:]).read_text() if text.startswith("@") else text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--config {text}: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"--config {text}: a JSON object is wanted")
    return found


def _pairs(option: str, texts: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ConfigError(f"{option} {text}: NAME=VALUE is wanted")
        pairs[name] = value
    return pairs


COMMANDS = (stages_command, recipes_command, catalog_command, conformance_command)
