"""The parameters of a recipe's WorkflowTemplate: what somebody may give with `-p`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graftline_workflows.argo import names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graftline_workflows.recipe.model import Parameter, Recipe


@dataclass(frozen=True)
class Argument:
    """One parameter.

    Args:
        name: Its name.
        help: One line for people.
        setting: The key of `graftline-settings` that it comes from if nobody gives it; if empty,
            `value` is taken then.
        value: Its value if nobody gives one.
    """

    name: str
    help: str
    setting: str = ""
    value: str = ""


_WEB = ", https://…"
_SOURCES = "Pods read no local path and nothing from the web: graftline submit sends such sources."


def recipe_arguments(recipe: Recipe, stages: Iterable[str]) -> list[Argument]:
    """List a recipe's parameters in Argo: profile, its own, and what the installation decides.

    Args:
        recipe: The recipe.
        stages: The stages that it uses.
    """
    profiles = ", ".join(recipe.profiles) or "none"
    found = [
        Argument(names.PROFILE, f"Size of the recipe: {profiles}.", value=recipe.default_profile)
    ]
    found += [Argument(name, _help(spec)) for name, spec in recipe.parameters.items()]
    found.append(
        Argument(names.OVERRIDES, "Other settings, as words: 'adapter.lora_r=32 curate.seed=7'.")
    )
    for name, text in (
        (names.RANKS, "Pods that share a step whose stage can work in ranks."),
        (names.QUEUE, "Kueue queue of the stages' pods; empty for none."),
        (
            names.TIMEOUT_CPU,
            "Time a pod may take on an ordinary node, from its image's pull on.",
        ),
        (
            names.TIMEOUT_GPU,
            "Time a pod may take on a GPU node, from its image's pull on.",
        ),
    ):
        found.append(Argument(name, text, setting=name))
    for name in (names.PLANNER, *stages):
        what = "the plan and the gate" if name == names.PLANNER else f"stage '{name}'"
        found.append(Argument(names.image(name), f"Image of {what}.", setting=names.image(name)))
    for name in (names.PLANNER, *stages):
        what = (
            "the plan's and the gate's pods" if name == names.PLANNER else f"the pods of '{name}'"
        )
        patch = names.pod_patch(name)
        found.append(Argument(patch, f"Patch (JSON) of {what}.", setting=patch))
    return found


def _help(spec: Parameter) -> str:
    text = f"{spec.type}. {spec.help}".strip()
    return f"{text.replace(_WEB, '')} {_SOURCES}" if spec.type == "source" else text
