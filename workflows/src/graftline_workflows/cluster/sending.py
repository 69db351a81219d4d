"""A recipe, checked here and against its WorkflowTemplate, made into a Workflow."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graftline import CONTRACT_VERSION
from graftline.canonical import sha256_text
from graftline.config import nearest
from graftline.errors import ConfigError, Problem
from graftline.sources import is_remote
from graftline_workflows.argo import names
from graftline_workflows.cluster.names import TEMPLATE_LABEL
from graftline_workflows.recipe import resolve_recipe
from graftline_workflows.recipe.files import read_recipe
from graftline_workflows.recipe.images import EXEC, StageCode
from graftline_workflows.recipe.model import parse_recipe
from graftline_workflows.recipe.overrides import read_overrides
from graftline_workflows.recipe.parameters import FILE_TYPES, is_inline_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graftline_workflows.catalog import Catalog
    from graftline_workflows.recipe import ResolvedRecipe
    from graftline_workflows.recipe.model import Recipe

_PACKAGE = "package://"
_BRACES = "{{"
_ARGO_TAG = re.compile(
    r"\{\{\s*(=|(workflow|inputs|outputs|tasks|steps|pod|node|cronworkflow)\.|item|retries|lastRetry)"
)
"""What Argo replaces wherever it stands; other names in braces stay as they are."""


@dataclass(frozen=True)
class Sending:
    """What the user wants to run in a cluster.

    Args:
        recipe: A recipe's name or file.
        profile: A profile's name; the recipe's own default if empty.
        overrides: `path=value` texts.
        images: By stage (or `planner`), the image to run instead of the installation's.
        ranks: How many workers share a step that allows it; the installation's number if 0.
        queue: The Kueue queue; the installation's if empty.
    """

    recipe: str
    profile: str = ""
    overrides: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    ranks: int = 0
    queue: str = ""


@dataclass(frozen=True)
class CheckedRecipe:
    """A recipe that holds by all that can be known here.

    Args:
        sending: What the user wants.
        recipe: The recipe as written.
        resolved: The same with nothing left open.
        given: The user's parameters, as text.
        others: The user's other overrides, as (path, text), in their order.
    """

    sending: Sending
    recipe: Recipe
    resolved: ResolvedRecipe
    given: Mapping[str, str]
    others: tuple[tuple[str, str], ...]

    @property
    def local_sources(self) -> tuple[str, ...]:
        """The sources that are sent from here, each once."""
        uris = (source.uri for step in self.resolved.steps for source in step.sources)
        return tuple(dict.fromkeys(uri for uri in uris if is_local(uri)))


def is_local(uri: str) -> bool:
    """Whether a source is of this machine, or is fetched by it: no pod can read it."""
    return not is_remote(uri) and not uri.startswith(_PACKAGE)


def check_recipe(sending: Sending) -> CheckedRecipe:
    """Resolve a recipe as the plan in the cluster will, without any stage's code.

    Raises:
        ConfigError: With everything that is wrong.
    """
    file = read_recipe(sending.recipe)
    recipe = parse_recipe(file.values, f"recipe {sending.recipe}")
    problems = [*_image_problems(recipe, sending.images), *_value_problems(sending.overrides)]
    of_stages = {name: image for name, image in sending.images.items() if name != names.PLANNER}
    images = {} if problems else of_stages
    try:
        resolved = resolve_recipe(
            sending.recipe, sending.profile or None, sending.overrides, images, own=_unknown_code
        )
    except ConfigError as error:
        if not error.problems:
            raise
        problems += error.problems
    if problems:
        raise ConfigError.of(problems, f"recipe '{recipe.recipe}'")
    found, _ = read_overrides(recipe, sending.overrides)
    pairs = (text.partition("=") for text in sending.overrides)
    others = tuple((path.strip(), value) for path, _, value in pairs if "." in path)
    checked = CheckedRecipe(sending, recipe, resolved, found.parameters, others)
    problems = _unsendable(checked)
    if problems:
        raise ConfigError.of(problems, f"recipe '{recipe.recipe}'")
    return checked


def check_template(checked: CheckedRecipe, template: Mapping[str, Any]) -> list[str]:
    """Check that a recipe's WorkflowTemplate is of the same making as the recipe here.

    Returns:
        Warnings.

    Raises:
        ConfigError: It is of another contract or another recipe.
    """
    name = template["metadata"]["name"]
    annotations = template["metadata"].get("annotations") or {}
    warnings = []
    upgrade = "install the same version of Graftline here and in the cluster (helm upgrade)"
    contract = annotations.get(names.ANNOTATION_CONTRACT)
    if contract is not None and contract != CONTRACT_VERSION:
        raise ConfigError(
            f"WorkflowTemplate '{name}' is of contract {contract}, this graftline of contract"
            f" {CONTRACT_VERSION}",
            upgrade,
        )
    digest = annotations.get(names.ANNOTATION_RECIPE)
    own = sha256_text(checked.resolved.text)
    if digest is None:
        warnings.append(f"WorkflowTemplate '{name}' does not say which recipe it was made from")
    elif digest != own:
        raise ConfigError(
            f"WorkflowTemplate '{name}' was made from another version of recipe"
            f" '{checked.resolved.name}' (there {_short(digest)}, here {_short(own)})",
            f"{upgrade}; for a recipe of your own: graftline render, then apply it again",
        )
    return warnings


def make_workflow(
    checked: CheckedRecipe, template: Mapping[str, Any], uploaded: Mapping[str, str]
) -> dict[str, Any]:
    """Make the Workflow that runs a recipe by its WorkflowTemplate.

    Args:
        checked: The recipe.
        template: Its WorkflowTemplate.
        uploaded: By local source, where it is in the store.

    Raises:
        ConfigError: The WorkflowTemplate lacks a parameter.
    """
    values = _arguments(checked, uploaded)
    _check_arguments(values, template)
    name = names.recipe_template(checked.resolved.name)
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "generateName": f"{name}-",
            "labels": {
                names.LABEL_PART_OF: names.PART_OF,
                names.LABEL_RECIPE: checked.resolved.name,
                TEMPLATE_LABEL: name,
            },
        },
        "spec": {
            "workflowTemplateRef": {"name": name},
            "arguments": {
                "parameters": [{"name": key, "value": value} for key, value in values.items()]
            },
        },
    }


def _arguments(checked: CheckedRecipe, uploaded: Mapping[str, str]) -> dict[str, str]:
    sending, resolved = checked.sending, checked.resolved
    values: dict[str, str] = {}
    if resolved.profile:
        values[names.PROFILE] = resolved.profile
    values |= _parameters(checked, uploaded)
    words = [f"{path}={value}" for path, value in _other_overrides(checked, uploaded)]
    if words:
        values[names.OVERRIDES] = shlex.join(words)
    if sending.ranks:
        values[names.RANKS] = str(sending.ranks)
    if sending.queue:
        values[names.QUEUE] = sending.queue
    return values | {names.image(stage): image for stage, image in sending.images.items()}


def _parameters(checked: CheckedRecipe, uploaded: Mapping[str, str]) -> dict[str, str]:
    """Give the recipe's parameters that a pod cannot know: the user's, and uploaded sources."""
    values = {}
    for name, text in checked.given.items():
        if checked.recipe.parameters[name].type in FILE_TYPES and text:
            values[name] = _compact(_value(checked, name))
        elif text:
            values[name] = text
    for source in (source for step in checked.resolved.steps for source in step.sources):
        if source.parameter and source.uri in uploaded:
            values[source.parameter] = uploaded[source.uri]
            if source.parameter not in checked.given:
                values = _followers(checked, source.parameter) | values
    return values


def _followers(checked: CheckedRecipe, followed: str) -> dict[str, str]:
    """Give what recipe and profile say of the parameters that describe another.

    To the plan in the cluster an uploaded source looks as if the user had given it, and these would
    not count any more.
    """
    values = checked.resolved.parameters
    parameters = checked.recipe.parameters
    return {
        name: values[name] if isinstance(values[name], str) else _compact(values[name])
        for name in (name for name, spec in parameters.items() if spec.follows == followed)
        if values[name] not in (None, "")
    }


def _other_overrides(checked: CheckedRecipe, uploaded: Mapping[str, str]) -> list[tuple[str, str]]:
    """Give the overrides that are no parameters, local sources replaced by where they are now."""
    overrides = list(checked.others)
    for step in checked.resolved.steps:
        for source in step.sources:
            if source.uri in uploaded and not source.parameter:
                path = f"{step.name}.{source.setting}"
                overrides = [pair for pair in overrides if pair[0] != path]
                overrides.append((path, uploaded[source.uri]))
    return overrides


def _check_arguments(values: Mapping[str, str], template: Mapping[str, Any]) -> None:
    declared = template["spec"].get("arguments", {}).get("parameters") or ()
    known = [item["name"] for item in declared]
    problems = [
        Problem(name, f"there is no such parameter{nearest(name, known)}")
        for name in values
        if name not in known
    ]
    if problems:
        raise ConfigError.of(problems, f"WorkflowTemplate '{template['metadata']['name']}'")


def _image_problems(recipe: Recipe, images: Mapping[str, str]) -> list[Problem]:
    stages = sorted({step.uses for step in recipe.steps.values()})
    problems = []
    for name, image in images.items():
        if name not in (*stages, names.PLANNER):
            stage = recipe.steps[name].uses if name in recipe.steps else ""
            hint = f": give it for the stage, {stage}=…" if stage else nearest(name, stages)
            message = f"in a cluster an image is a stage's, and '{name}' is none{hint}"
            problems.append(Problem(f"--image {name}", message))
        elif image.startswith(EXEC):
            message = f"{image}: a program of this machine cannot run in a cluster; name an image"
            problems.append(Problem(f"--image {name}", message))
    return problems


def _value_problems(overrides: tuple[str, ...]) -> list[Problem]:
    """Find values with what Argo would take for its own."""
    return [
        Problem(
            f"--set {path}",
            f"Argo would replace '{found[0]}…': a text with it has to stand in a recipe's file",
        )
        for path, _, value in (text.partition("=") for text in overrides)
        if (found := _ARGO_TAG.search(value)) is not None
    ]


def _unsendable(checked: CheckedRecipe) -> list[Problem]:
    """Find parameters that a Workflow cannot say: emptied ones, and JSON that looks like a path."""
    profile = checked.recipe.profiles.get(checked.resolved.profile)
    problems = []
    for name, text in checked.given.items():
        spec = checked.recipe.parameters[name]
        otherwise = (profile.parameters if profile else {}).get(name, spec.default)
        if not text and otherwise not in (None, "", [], {}):
            message = f"cannot be emptied in a cluster, where empty means not given ({otherwise!r})"
            problems.append(Problem(f"--set {name}", message))
        if text and spec.type in FILE_TYPES and not is_inline_json(_compact(_value(checked, name))):
            message = f"{text}: only a JSON object or list can be sent to a cluster"
            problems.append(Problem(f"--set {name}", message))
    return problems


def _value(checked: CheckedRecipe, parameter: str) -> Any:
    return checked.resolved.parameters[parameter]


def _unknown_code(stage: str, catalog: Catalog) -> StageCode:
    """Stand for a stage's own image: which it is, the plan in the cluster knows."""
    return StageCode(catalog.entry(stage), "", "")


def _compact(value: Any) -> str:
    """Spell a JSON value without Argo's braces: two that stand together are in a string."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace(_BRACES, "{\\u007b")


def _short(digest: str) -> str:
    return digest[:12]
