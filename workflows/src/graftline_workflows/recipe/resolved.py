"""A recipe with nothing left open: what the planner works on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graftline.config import nearest
from graftline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graftline.v1 import stage_pb2
    from graftline_workflows.gate import Gate


@dataclass(frozen=True)
class ResolvedInput:
    """One artifact that a step reads.

    Args:
        port: The reading step's port.
        step: The step that makes it.
        output: That step's output port.
    """

    port: str
    step: str
    output: str


@dataclass(frozen=True)
class ResolvedSource:
    """Something outside the store that a step reads.

    Args:
        setting: The config setting that names it.
        uri: Where it is; local paths are absolute.
        parameter: The recipe's parameter that it comes from; empty if it stands in the recipe.
    """

    setting: str
    uri: str
    parameter: str = ""


@dataclass(frozen=True)
class ResolvedStep:
    """A step with every setting known.

    Args:
        name: Its name in the recipe.
        stage: Its stage.
        config: Complete, defaults filled in.
        runtime: Complete, defaults filled in.
        seed: Its seed.
        inputs: In the order of the stage's ports; within a repeated port, in the recipe's.
        sources: In the order of the stage's settings.
        image: What runs it: an image reference, `exec:…`, or empty for the stage's own code.
        identity: What its key counts for the code: a build id, or what the image is.
        descriptor: The stage as the catalog, or the program in its place, describes it.
    """

    name: str
    stage: str
    config: Mapping[str, Any]
    runtime: Mapping[str, Any]
    seed: int
    inputs: tuple[ResolvedInput, ...]
    sources: tuple[ResolvedSource, ...]
    image: str
    identity: str
    descriptor: stage_pb2.StageDescriptor


@dataclass(frozen=True)
class ResolvedRecipe:
    """A recipe with its profile, overrides and images applied.

    Args:
        name: The recipe's name.
        profile: The profile's name; empty if the recipe has none.
        text: The recipe's file, as it was read.
        overrides: What the user set, as given.
        steps: In an order in which they can run.
        gate: What decides whether a run succeeds; nothing if the recipe asks nothing.
        parameters: The values of the recipe's parameters.
        description: What the recipe says of itself.
        warnings: What the user should know before it runs.
    """

    name: str
    profile: str
    text: str
    overrides: tuple[str, ...]
    steps: tuple[ResolvedStep, ...]
    gate: Gate | None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    warnings: tuple[str, ...] = ()

    def step(self, name: str) -> ResolvedStep:
        """Give a step.

        Raises:
            ConfigError: There is none of that name.
        """
        for step in self.steps:
            if step.name == name:
                return step
        names = [step.name for step in self.steps]
        raise ConfigError(
            f"recipe '{self.name}' has no step '{name}'{nearest(name, names)}",
            f"its steps: {', '.join(names)}",
        )
