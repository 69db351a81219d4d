"""The ConfigMap of a recipe: its file and the files that it names, for the plan pod."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline.errors import ConfigError
from graftline_workflows.argo import names
from graftline_workflows.recipe.parameters import FILE_TYPES, is_inline_json

if TYPE_CHECKING:
    from graftline_workflows.argo.graph import RecipeGraph


def recipe_config_map(graph: RecipeGraph) -> dict[str, Any]:
    """Render it.

    Raises:
        ConfigError: A file that the recipe names cannot be read, or lies in another folder.
    """
    data = {f"{graph.name}.yaml": graph.file.text}
    for name in _named_files(graph):
        path = graph.file.path.parent / name
        if "/" in name:
            raise ConfigError(
                f"recipe '{graph.name}' names '{name}': in a cluster its files lie beside it",
                "put the file into the recipe's folder",
            )
        try:
            data[name] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": names.recipe_config_map(graph.name),
            "labels": {names.LABEL_PART_OF: names.PART_OF, names.LABEL_RECIPE: graph.name},
            "annotations": {names.ANNOTATION_RECIPE: graph.digest},
        },
        "data": data,
    }


def _named_files(graph: RecipeGraph) -> list[str]:
    """Name the files that parameters have by default or in a profile, sorted."""
    recipe = graph.recipe
    found = set()
    for name, spec in recipe.parameters.items():
        if spec.type in FILE_TYPES:
            values = [spec.default, *(p.parameters.get(name) for p in recipe.profiles.values())]
            files = (value for value in values if isinstance(value, str) and value)
            found |= {value for value in files if not is_inline_json(value)}
    return sorted(found)
