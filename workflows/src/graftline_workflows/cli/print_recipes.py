"""How recipes look on a terminal, and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from graftline_workflows.cli.console import line

if TYPE_CHECKING:
    from rich.console import Console

    from graftline_workflows.recipe.model import Parameter


def recipes_json() -> dict[str, Any]:
    """Give the built-in recipes as plain JSON."""
    from graftline_workflows.recipe import recipe_names
    from graftline_workflows.recipe.files import read_recipe
    from graftline_workflows.recipe.model import parse_recipe

    recipes = []
    for name in recipe_names():
        recipe = parse_recipe(read_recipe(name).values, name)
        recipes.append(
            {
                "recipe": name,
                "description": recipe.description,
                "default_profile": recipe.default_profile,
                "profiles": {key: value.description for key, value in recipe.profiles.items()},
                "parameters": {key: value.help for key, value in recipe.parameters.items()},
                "steps": list(recipe.steps),
            }
        )
    return {"recipes": recipes}


def print_recipes(console: Console) -> None:
    """List the built-in recipes."""
    for recipe in recipes_json()["recipes"]:
        line(console, f"[bold]{recipe['recipe']}[/]  {escape(recipe['description'])}")
        for title in ("profiles", "parameters"):
            for name, text in recipe[title].items():
                line(console, f"  {title[:-1]:<10} {name}  {escape(text)}")


def recipe_json(name: str) -> dict[str, Any]:
    """Give one recipe as plain JSON, with all that can be set in it.

    Args:
        name: A built-in recipe's name, or a file.

    Raises:
        ConfigError: There is none, or it is none.
    """
    from graftline_workflows.recipe.files import read_recipe
    from graftline_workflows.recipe.model import parse_recipe

    recipe = parse_recipe(read_recipe(name).values, f"recipe {name}")
    return {
        "recipe": recipe.recipe,
        "description": recipe.description,
        "default_profile": recipe.default_profile,
        "parameters": {key: _parameter(spec) for key, spec in recipe.parameters.items()},
        "profiles": {
            key: {"description": profile.description, "parameters": profile.parameters}
            for key, profile in recipe.profiles.items()
        },
        "steps": {
            key: {"uses": step.uses, "from": step.from_, "if": step.if_}
            for key, step in recipe.steps.items()
        },
        "environment": {
            key: old.model_dump(exclude_defaults=True) for key, old in recipe.environment.items()
        },
    }


def _parameter(spec: Parameter) -> dict[str, Any]:
    value: dict[str, Any] = {"type": spec.type, "required": spec.required, "help": spec.help}
    if not spec.required:
        value["default"] = spec.default
    if spec.allowed is not None:
        value["allowed"] = spec.allowed
    return value


def print_recipe(console: Console, recipe: dict[str, Any]) -> None:
    """Show what `recipe_json` gives."""
    line(console, f"[bold]{recipe['recipe']}[/]  {escape(recipe['description'])}")
    line(console, "\n[bold]parameters[/]  (--set NAME=VALUE)")
    for name, spec in recipe["parameters"].items():
        default = "required" if spec["required"] else json.dumps(spec["default"])
        line(console, escape(f"  {name} = {default}  {spec['type']}. {spec['help']}"))
        for profile, values in recipe["profiles"].items():
            if name in values["parameters"]:
                text = f"{json.dumps(values['parameters'][name])} in the profile {profile}"
                line(console, f"    [dim]{escape(text)}[/]")
    if recipe["profiles"]:
        line(console, "\n[bold]profiles[/]  (--profile NAME)")
    for name, profile in recipe["profiles"].items():
        mark = " (if none is named)" if name == recipe["default_profile"] else ""
        line(console, escape(f"  {name}{mark}  {profile['description']}"))
    line(console, "\n[bold]steps[/]  (--set STEP.SETTING=VALUE; settings: graftline stages STAGE)")
    for name, step in recipe["steps"].items():
        reads = ", ".join(f"{port}: {_listed(read)}" for port, read in step["from"].items())
        only = f"  only if {step['if']}" if step["if"] else ""
        told = f"  from {reads}" if reads else ""
        line(console, escape(f"  {name}  {step['uses']}{told}{only}"))
    if recipe["environment"]:
        line(console, "\n[bold]names of an older configuration[/]  (--env-file FILE)")
    for name, meaning in recipe["environment"].items():
        line(console, escape(f"  {name}  {_meaning(meaning)}"))


def _listed(read: str | list[str]) -> str:
    return read if isinstance(read, str) else " + ".join(read)


def _meaning(meaning: dict[str, Any]) -> str:
    parts = (
        f"{word}: {text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)}"
        for word, text in meaning.items()
    )
    return "; ".join(parts)
