"""Recipes: from a YAML file, a profile, overrides and images to steps ready to be planned."""

from graftline_workflows.recipe.files import recipe_names
from graftline_workflows.recipe.resolve import resolve_recipe
from graftline_workflows.recipe.resolved import (
    ResolvedInput,
    ResolvedRecipe,
    ResolvedSource,
    ResolvedStep,
)

__all__ = [
    "ResolvedInput",
    "ResolvedRecipe",
    "ResolvedSource",
    "ResolvedStep",
    "recipe_names",
    "resolve_recipe",
]
