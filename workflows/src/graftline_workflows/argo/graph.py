"""A recipe as a DAG: all of its steps, also those that exist only under a condition.

The template is rendered for a recipe, whatever its profile and parameters; which of its steps a
run has, and which of them are cached, the plan says when it runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graftline.canonical import sha256_bytes
from graftline.config import nearest
from graftline.errors import ConfigError, Problem
from graftline.v1 import stage_pb2
from graftline_workflows.argo import names
from graftline_workflows.recipe.files import RecipeFile, read_recipe
from graftline_workflows.recipe.language_models import asks_by
from graftline_workflows.recipe.model import Recipe, parse_recipe
from graftline_workflows.recipe.resolved import ResolvedInput
from graftline_workflows.recipe.wiring import runnable_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graftline_workflows.catalog import Catalog

_TASKS = (names.PLAN_TEMPLATE,)
_WORDS = ("and", "or", "not", "in", "let", "if", "else", "nil", "true", "false", "matches")
"""Words of the language in which Argo reads `depends`: no task can have such a name."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_NAME_LIMIT = 46
"""So that what Argo and the ConfigMap's name add to it stays below Kubernetes' 63."""


@dataclass(frozen=True)
class GraphStep:
    """One step of the DAG.

    Args:
        name: Its name.
        stage: Its stage.
        reads: The steps that it may read from, sorted.
        gpu: Whether it wants a GPU.
        ranks: Whether its work may be shared by several pods.
        asks: Whether it may ask a language model.
    """

    name: str
    stage: str
    reads: tuple[str, ...]
    gpu: bool = False
    ranks: bool = False
    asks: bool = False

    def __str__(self) -> str:
        """Spell it as `step:stage:read,read`, as the plan pod is told it."""
        return f"{self.name}:{self.stage}:{','.join(self.reads)}"

    @classmethod
    def parse(cls, text: str) -> GraphStep:
        """Read what `str()` gives.

        Raises:
            ConfigError: It is no such text.
        """
        parts = text.split(":")
        if len(parts) != len(("name", "stage", "reads")) or not all(parts[:2]):
            raise ConfigError(f"--step {text}: must look like step:stage:read,read")
        return cls(parts[0], parts[1], tuple(item for item in parts[2].split(",") if item))


@dataclass(frozen=True)
class RecipeGraph:
    """A recipe as it is rendered.

    Args:
        file: The recipe's file.
        recipe: What is in it.
        steps: In an order in which they can run.
    """

    file: RecipeFile
    recipe: Recipe
    steps: tuple[GraphStep, ...]

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.recipe.recipe

    @property
    def digest(self) -> str:
        """The sha256 of the recipe's text."""
        return sha256_bytes(self.file.text.encode())

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that it uses, sorted."""
        return tuple(sorted({step.stage for step in self.steps}))


def read_graph(name_or_path: str, catalog: Catalog) -> RecipeGraph:
    """Read a recipe and make its DAG.

    Args:
        name_or_path: A built-in recipe's name, or a file.
        catalog: The stages.

    Raises:
        ConfigError: With all that keeps it from being rendered.
    """
    file = read_recipe(name_or_path)
    recipe = parse_recipe(file.values, f"recipe {name_or_path}")
    problems = [*_name_problems(recipe), *_step_problems(recipe, catalog)]
    if problems:
        raise ConfigError.of(problems, f"recipe '{recipe.recipe}'")
    reads = {name: _reads(step.from_.values()) for name, step in recipe.steps.items()}
    order, problems = runnable_order(
        {name: tuple(ResolvedInput("", item, "") for item in reads[name]) for name in reads}
    )
    if problems:
        raise ConfigError.of(problems, f"recipe '{recipe.recipe}'")
    steps = []
    for name in order:
        entry = catalog.entry(recipe.steps[name].uses)
        gpu = entry.descriptor.resources == stage_pb2.RESOURCE_CLASS_GPU
        asks = bool(asks_by(entry.runtime_schema))
        ranks = entry.descriptor.ranks
        steps.append(GraphStep(name, entry.name, reads[name], gpu, ranks, asks))
    return RecipeGraph(file, recipe, tuple(steps))


def _reads(references: Iterable[str | list[str]]) -> tuple[str, ...]:
    listed = (item if isinstance(item, list) else [item] for item in references)
    return tuple(sorted({text.partition(".")[0] for texts in listed for text in texts}))


def _name_problems(recipe: Recipe) -> list[Problem]:
    """Name what Argo, or our own parameters, cannot have."""
    problems = []
    template = names.recipe_template(recipe.recipe)
    if not _NAME.fullmatch(recipe.recipe):
        message = f"'{recipe.recipe}': Kubernetes wants a name made of a-z, 0-9 and '-'"
        problems.append(Problem("recipe", message))
    if len(recipe.recipe) > _NAME_LIMIT:
        message = f"'{recipe.recipe}' is longer than {_NAME_LIMIT} characters"
        problems.append(Problem("recipe", message))
    if template.startswith(names.stage_template("")):
        problems.append(Problem("recipe", f"'{recipe.recipe}' would be taken for a stage"))
    for name in recipe.steps:
        if name in _TASKS or name in _WORDS:
            problems.append(Problem(f"steps.{name}", "this name has a meaning of its own in Argo"))
    ours = (names.PROFILE, names.OVERRIDES, names.RANKS, names.QUEUE)
    for name in recipe.parameters:
        if name in ours:
            message = "is a parameter that every recipe has in Argo: choose another name"
            problems.append(Problem(f"parameters.{name}", message))
    return problems


def _step_problems(recipe: Recipe, catalog: Catalog) -> list[Problem]:
    problems = []
    for name, step in recipe.steps.items():
        if step.uses not in catalog.stages:
            hint = nearest(step.uses, catalog.stages)
            problems.append(Problem(f"{name}.uses", f"unknown stage '{step.uses}'{hint}"))
        for item in _reads(step.from_.values()):
            if item not in recipe.steps:
                hint = nearest(item, recipe.steps)
                problems.append(Problem(f"{name}.from", f"unknown step '{item}'{hint}"))
    return problems
