"""Finds and reads recipes: built-in ones by name, any other by its path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from graftline.config import nearest
from graftline.errors import ConfigError
from graftline.sources import user_path

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class RecipeFile:
    """A recipe's text and where it stands.

    Args:
        path: The file.
        text: What is in it.
        values: The same, parsed.
    """

    path: Path
    text: str
    values: Any


def recipes_folder() -> Path:
    """Give the folder of the built-in recipes: in the wheel, else in the source checkout."""
    package = Path(__file__).parents[1]
    in_wheel = package / "recipes"
    return in_wheel if in_wheel.is_dir() else package.parents[1] / "recipes"


def recipe_names() -> list[str]:
    """Name the built-in recipes."""
    return sorted(path.stem for path in recipes_folder().glob("*.yaml"))


def read_recipe(name: str) -> RecipeFile:
    """Read a recipe by its name, or by its path if it has a folder or a YAML suffix in it.

    Raises:
        ConfigError: There is none, it cannot be read, or it is no YAML (with line and column).
    """
    path = _find(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"recipe {path}: cannot be read: {reason}") from error
    return RecipeFile(path, text, parse_yaml(text, f"recipe {path}"))


def _find(name: str) -> Path:
    is_path = "/" in name or name.endswith(_SUFFIXES)
    path = user_path(name) if is_path else recipes_folder() / f"{name}.yaml"
    if path.is_file():
        return path.absolute()
    if is_path:
        raise ConfigError(f"recipe file '{name}' does not exist", "check the path")
    names = recipe_names()
    raise ConfigError(
        f"unknown recipe '{name}'{nearest(name, names)}",
        f"built-in recipes: {', '.join(names)}; a file is named by its path (./{name}.yaml)",
    )


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML 1.2's core types: 1e-4 is a number, `yes` and `no` are text, dates are text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first)
    )


def _construct_int(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node)
    bases = {"0o": 8, "0x": 16}
    return int(text[2:], bases[text[:2]]) if text[:2] in bases else int(text)


def _construct_float(loader: Any, node: Any) -> float:
    text = loader.construct_scalar(node).lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


def _construct_mapping(loader: Any, node: Any) -> Any:
    """Build a mapping, but refuse a key that stands twice: the second would silently win."""
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, list | dict):
            raise yaml.constructor.ConstructorError(
                None, None, "a key must be text", key_node.start_mark
            )
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key '{key}' stands twice", key_node.start_mark
            )
        seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)


def parse_yaml(text: str, subject: str) -> Any:
    """Parse one YAML document.

    Raises:
        ConfigError: It is none; the message has line and column.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{subject}{where}: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{subject}: no YAML: {error}") from error
