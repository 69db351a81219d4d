"""From a workflow's parameters to what `graftline plan` would have been asked."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from graftline.config import nearest
from graftline.errors import ConfigError, Problem
from graftline_workflows.argo import names
from graftline_workflows.argo.arguments import recipe_arguments
from graftline_workflows.planning.planner import Wanted
from graftline_workflows.recipe.parameters import FILE_TYPES, is_inline_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from graftline_workflows.recipe.model import Recipe


def read_parameters(
    path: Path, recipe: Recipe, given: Mapping[str, str], images: Mapping[str, str]
) -> Wanted:
    """Say what somebody wants who submitted a recipe's WorkflowTemplate.

    Args:
        path: The recipe's file.
        recipe: What is in it.
        given: The workflow's parameters, by name; an empty one was not given.
        images: Images that take the place of a stage's own, by stage.

    Raises:
        ConfigError: With every parameter that cannot be meant.
    """
    stages = sorted({step.uses for step in recipe.steps.values()})
    known = [item.name for item in recipe_arguments(recipe, stages)]
    problems = [
        Problem(f"-p {name}", f"recipe '{recipe.recipe}' has no such parameter{_hint(name, known)}")
        for name in given
        if name not in known
    ]
    own = {name: given[name] for name in recipe.parameters if given.get(name)}
    problems += _local_files(path.parent, recipe, own)
    words: list[str] = []
    try:
        words = shlex.split(given.get(names.OVERRIDES, ""))
    except ValueError as error:
        problems.append(Problem(f"-p {names.OVERRIDES}", f"cannot be split into words: {error}"))
    if problems:
        raise ConfigError.of(problems, "the workflow's parameters")
    return Wanted(
        recipe=str(path),
        profile=given.get(names.PROFILE, ""),
        overrides=(*(f"{name}={value}" for name, value in own.items()), *words),
        images=images,
    )


def replaced_images(images: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Keep the images that are not the release's own: a step's key counts these by reference.

    Args:
        images: The image of each stage in this run.
        own: This release's images, by stage.
    """
    return {stage: image for stage, image in images.items() if image and image != own.get(stage)}


def _hint(name: str, known: list[str]) -> str:
    listed = ", ".join(item for item in known if not item.startswith(names.pod_patch("")))
    return nearest(name, known) or f"; it has: {listed}"


def _local_files(folder: Path, recipe: Recipe, own: Mapping[str, str]) -> list[Problem]:
    """Name paths that lead to the submitter's disk, which no pod can see."""
    problems = []
    for name, value in own.items():
        kind = recipe.parameters[name].type
        if kind == "source" and ("://" not in value or value.startswith("file://")):
            message = (
                f"'{value}' is a local path, which pods cannot read: upload it and give its s3:// "
                "address (graftline submit does)"
            )
        elif kind in FILE_TYPES and not is_inline_json(value) and not (folder / value).is_file():
            message = (
                f"'{value}' is a local file, which pods cannot read: give the JSON itself "
                "(graftline submit does)"
            )
        else:
            continue
        problems.append(Problem(f"-p {name}", message))
    return problems
