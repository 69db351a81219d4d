"""Configuration of an older system, in a file or the environment: what a recipe makes of it."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv.parser import parse_stream

from graftline.config import nearest
from graftline.errors import ConfigError, Problem
from graftline_workflows.recipe.files import read_recipe
from graftline_workflows.recipe.model import parse_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graftline_workflows.recipe.model import OldName

_ENVIRONMENT = "the environment"
_PLACEHOLDER = re.compile(r"\{(model)?\}")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(@[\w./-]+)?")


@dataclass(frozen=True)
class OldSettings:
    """What an older system's configuration comes to.

    Args:
        overrides: `path=value` texts, in the order of the recipe's table.
        secrets: API keys, by the environment variable in which steps find them.
        warning: One line about the names that had a value and are not used; empty if none is.
    """

    overrides: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    warning: str = ""


def read_old_settings(
    recipe_name: str, path: Path | None, variables: Mapping[str, str] | None = None
) -> OldSettings:
    """Read a file's lines and the environment's variables by the recipe's `environment`.

    Names of other programs are left alone: only those that begin as one of the recipe's do
    (`PIPELINE_`) must be known to it. In the file they must be right; the environment was not
    written for us, and what is unknown there is warned of. Empty values count as not given, and
    what the environment says goes before the file.

    Args:
        recipe_name: A recipe's name or file.
        path: The file, if there is one.
        variables: The environment, if its names are to be taken.

    Raises:
        ConfigError: File or recipe cannot be read, or a line means nothing to the recipe.
    """
    file = read_recipe(recipe_name)
    known = parse_recipe(file.values, f"recipe {file.path}").environment
    if not known:
        raise ConfigError(f"recipe '{recipe_name}' knows no configuration files", "use --set")
    families = {_family(name) for name, old in known.items() if not old.secret}
    lines = _lines(path) if path is not None else []
    given = {name: (value, f"{path}:{line}") for name, value, line in lines}
    given |= {name: (value, _ENVIRONMENT) for name, value in (variables or {}).items() if value}
    problems: list[Problem] = []
    unused: dict[str, list[str]] = {}
    for name, (_, where) in given.items():
        if name in known or _family(name) not in families:
            continue
        if where == _ENVIRONMENT:
            unused.setdefault("the recipe knows no such name", []).append(name)
        else:
            problems.append(Problem(where, f"unknown name '{name}'{nearest(name, known)}"))
    overrides: list[str] = []
    secrets: dict[str, str] = {}
    for name, old in known.items():
        if name not in given:
            continue
        value, where = given[name]
        if old.values and value not in old.values:
            allowed = ", ".join(old.values)
            problems.append(Problem(where, f"{name}={value}: allowed: {allowed}"))
        elif old.secret:
            secrets.setdefault(old.secret, value)
        elif old.ignored:
            unused.setdefault(old.ignored, []).append(name)
        else:
            overrides += _overrides(old, value)
    if problems:
        raise ConfigError.of(problems, f"recipe '{recipe_name}'")
    return OldSettings(tuple(overrides), secrets, _warning(unused))


def _family(name: str) -> str:
    return name.partition("_")[0]


def _overrides(old: OldName, value: str) -> list[str]:
    def put(match: re.Match[str]) -> str:
        return _model_source(value) if match[1] else value

    return [_PLACEHOLDER.sub(put, text) for text in old.values.get(value, old.set)]


def _model_source(value: str) -> str:
    """Give a model's source as transformers would find it: a folder here, else on the Hub."""
    on_hub = _HUB_NAME.fullmatch(value) and not Path(value).exists()
    return f"hf://{value}" if on_hub else value


def _warning(unused: Mapping[str, list[str]]) -> str:
    told = "; ".join(f"{', '.join(names)} ({why})" for why, names in unused.items())
    return f"not used: {told}" if told else ""


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
