"""Steps that ask a language model: whether they, or the place where they run, say where one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline.errors import ConfigError, Problem
from graftline.llm.config import ENDPOINTS
from graftline_workflows.recipe.files import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graftline_workflows.recipe import ResolvedStep

IN_A_CLUSTER = (
    "name one in the chart's values: llm.endpoints, or llm.embedded.enabled=true for a small one to"
    " see that all works (helm upgrade --reuse-values --set …); or give the run endpoints"
)


def names_no_endpoint(runtime: Mapping[str, Any]) -> bool:
    """Whether runtime settings are of a step that asks a model, and do not say where one is."""
    settings = runtime.get("llm")
    return isinstance(settings, dict) and not settings.get("endpoints")


def nobody_to_ask(steps: Iterable[ResolvedStep], patches: Mapping[str, str]) -> list[Problem]:
    """Name the steps whose pods would have no language model to ask.

    An image of the user's own may know of one, or need none.

    Args:
        steps: The steps.
        patches: By stage, the patch of its pods; of a stage that is not in it nothing is known.
    """
    text = "it asks a language model, and neither the run nor this installation names one"
    return [
        Problem(step.name, text)
        for step in steps
        if names_no_endpoint(step.runtime)
        and not step.image
        and not _tells_of_one(patches.get(step.stage))
    ]


def _tells_of_one(patch: str | None) -> bool:
    """Whether a stage's pods are told where a model is, as far as that can be seen."""
    if patch is None:
        return True
    try:
        containers = parse_yaml(patch, "the patch")["containers"]
        environment = [item for one in containers for item in one.get("env") or ()]
        named = [item for item in environment if item["name"] == ENDPOINTS]
    except (ConfigError, TypeError, KeyError, AttributeError):
        return True  # one of the user's own making
    return any(item.get("value") or item.get("valueFrom") for item in named)
