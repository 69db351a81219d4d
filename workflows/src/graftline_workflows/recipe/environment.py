"""Configuration files of NAME=value lines, as older systems have: what a recipe makes of one."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from dotenv.parser import parse_stream

from graftline.config import nearest
from graftline.errors import ConfigError, Problem
from graftline_workflows.recipe.files import read_recipe
from graftline_workflows.recipe.model import parse_recipe

if TYPE_CHECKING:
    from pathlib import Path

_VALUE = "{}"


def overrides_of_file(recipe_name: str, path: Path) -> tuple[str, ...]:
    """Give the overrides that a file's lines stand for, by the recipe's `environment`.

    Variables of other programs (API keys, …) are left alone: only names that begin as one of the
    recipe's do (`PIPELINE_`) must be known to it. Empty values count as not given.

    Args:
        recipe_name: A recipe's name or file.
        path: The file.

    Returns:
        `path=value` texts, in the file's order.

    Raises:
        ConfigError: File or recipe cannot be read, or a line means nothing to the recipe.
    """
    file = read_recipe(recipe_name)
    known = parse_recipe(file.values, f"recipe {file.path}").environment
    if not known:
        raise ConfigError(f"recipe '{recipe_name}' knows no configuration files", "use --set")
    families = {name.partition("_")[0] for name in known}
    overrides: list[str] = []
    problems: list[Problem] = []
    for name, value, line in _lines(path):
        where = f"{path}:{line}"
        meaning = known.get(name)
        if meaning is None:
            if name.partition("_")[0] in families:
                problems.append(Problem(where, f"unknown name '{name}'{nearest(name, known)}"))
        elif isinstance(meaning, dict) and value not in meaning:
            allowed = ", ".join(meaning)
            problems.append(Problem(where, f"{name}={value}: allowed: {allowed}"))
        else:
            override = meaning[value] if isinstance(meaning, dict) else meaning
            overrides += [override.replace(_VALUE, value)] if override else []
    if problems:
        raise ConfigError.of(problems, f"recipe '{recipe_name}'")
    return tuple(overrides)


def _lines(path: Path) -> list[tuple[str, str, int]]:
    """Give (name, value, line) of a file, without those that are empty.

    Raises:
        ConfigError: It cannot be read, or a line is neither NAME=value nor a comment.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows put a mark before it
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise ConfigError(f"--env-file {path} cannot be read: {reason}") from error
    found = []
    for binding in parse_stream(io.StringIO(text)):
        original = binding.original.string
        blank = original[: len(original) - len(original.lstrip())]
        line = binding.original.line + blank.count("\n")
        if binding.error:
            raise ConfigError(f"{path}:{line}: NAME=value is wanted")
        if binding.key and binding.value:
            found.append((binding.key, binding.value, line))
    return found
