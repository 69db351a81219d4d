"""Parameter values, and `${parameter}` in a recipe's settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from graftline.canonical import canonical_json
from graftline.config import nearest
from graftline.errors import ConfigError, Problem
from graftline.sources import user_path
from graftline_workflows.recipe.files import parse_yaml
from graftline_workflows.recipe.overrides import set_path, typed_value
from graftline_workflows.recipe.secrets import refuse_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graftline_workflows.recipe.model import Parameter, Profile, Recipe

FILE_TYPES = ("json-file", "json-schema-file")
"""Parameters that name a file to be read, or are the JSON itself."""

_REFERENCE = re.compile(r"\$(\$)?\{([^}]*)\}")
_TYPE_WORDS = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "source": "a path or URI",
    "json-file": "a file name or the JSON itself",
    "json-schema-file": "a file name or the JSON itself",
}


def parameter_values(
    recipe: Recipe,
    profile: Profile | None,
    given: Mapping[str, str],
    recipe_folder: Path,
    parts: Mapping[str, list[tuple[list[str], str]]] | None = None,
) -> tuple[dict[str, Any], list[Problem]]:
    """Give every parameter its value: the user's, else the profile's, else its default.

    Args:
        recipe: The recipe.
        profile: The profile in use.
        given: The user's values, as text.
        recipe_folder: Where file names that stand in the recipe are relative to; the user's are
            relative to the current folder.
        parts: What the user set within a parameter that is JSON: (path, text) by parameter.

    Returns:
        The values (a parameter with a problem has None), and what is wrong.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    in_profile = profile.parameters if profile else {}
    for name, spec in recipe.parameters.items():
        values[name] = "" if spec.type == "string" else None
        folder = recipe_folder
        if name in given:
            raw, folder = _from_text(name, spec, given[name]), Path()
        elif spec.follows in given:
            continue
        elif name in in_profile:
            raw = in_profile[name]
        elif not spec.required:
            raw = spec.default
        else:
            problems.append(Problem(name, f"is required: give --set {name}=VALUE ({spec.help})"))
            continue
        if name not in given and (other := referenced_parameter(raw)):
            if other not in values or spec.type in ("source", *FILE_TYPES):
                message = f"a default cannot be ${{{other}}}: a parameter above it that is no file"
                problems.append(Problem(f"parameters.{name}.default", message))
                continue
            raw = values[other]
        try:
            values[name] = _checked(spec, _with_parts(raw, (parts or {}).get(name, [])), folder)
        except ConfigError as error:
            problems.append(Problem(name, error.cause))
    return values, problems


def _with_parts(value: Any, parts: list[tuple[list[str], str]]) -> Any:
    if not parts:
        return value
    if not isinstance(value, dict | None):
        raise ConfigError("is no mapping and has no parts that could be set")
    whole = dict(value or {})
    for path, text in parts:
        set_path(whole, path, typed_value(text, "the value"))
    return whole


def substitute(value: Any, parameters: Mapping[str, Any], path: str) -> tuple[Any, list[Problem]]:
    """Replace `${parameter}` everywhere in a value.

    A string that is nothing but one reference becomes the parameter's value with its type; inside a
    longer string the value is put in as text. `$${` stands for `${`.

    Returns:
        The new value and a problem for each unknown parameter.
    """
    problems: list[Problem] = []

    def walk(item: Any, where: str) -> Any:
        if isinstance(item, dict):
            return {name: walk(inner, f"{where}.{name}") for name, inner in item.items()}
        if isinstance(item, list):
            return [walk(inner, f"{where}.{index}") for index, inner in enumerate(item)]
        if not isinstance(item, str) or "$" not in item:
            return item
        whole = _REFERENCE.fullmatch(item)
        if whole and not whole.group(1):
            return _look_up(whole.group(2), where)
        return _REFERENCE.sub(
            lambda match: (
                match.group(0)[1:] if match.group(1) else _as_text(_look_up(match.group(2), where))
            ),
            item,
        )

    def _look_up(name: str, where: str) -> Any:
        if name not in parameters:
            problems.append(
                Problem(where, f"unknown parameter '{name}'{nearest(name, parameters)}")
            )
            return None
        return parameters[name]

    return walk(value, path), problems


def referenced_parameter(value: Any) -> str:
    """Give the parameter whose reference is the whole of a value, or an empty text."""
    whole = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return whole.group(2) if whole and not whole.group(1) else ""


def _from_text(name: str, spec: Parameter, text: str) -> Any:
    """Read what the user gave: text types as they are, others as YAML."""
    if spec.type in ("string", "source", *FILE_TYPES):
        return text
    return parse_yaml(text, "the value")


def _checked(spec: Parameter, value: Any, folder: Path) -> Any:
    if value is None and not spec.required:
        return None
    fits = {
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | float) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
        "json": True,
    }.get(spec.type, isinstance(value, str))
    if not fits:
        raise ConfigError(f"must be {_TYPE_WORDS[spec.type]} (got {value!r})")
    if spec.type == "float":
        value = float(value)
    if spec.type == "source":
        refuse_secret(value)
    if spec.allowed is not None and value not in spec.allowed:
        allowed = [str(item) for item in spec.allowed]
        hint = nearest(str(value), allowed)
        raise ConfigError(f"must be one of {', '.join(allowed)} (got {value!r}){hint}")
    if spec.type in FILE_TYPES and value:
        inline = is_inline_json(value)
        content = parse_json(value, "its JSON") if inline else read_json(folder / user_path(value))
        if spec.type == "json-schema-file":
            check_json_schema(content, "its JSON" if inline else value)
        return content
    return value


def is_inline_json(value: str) -> bool:
    """Whether the value of a file parameter is the JSON itself and not a file's name."""
    return value.lstrip()[:1] in ("{", "[")


def read_json(path: Path) -> Any:
    """Read a JSON file; NaN and infinities are no JSON.

    Raises:
        ConfigError: It is missing or no JSON (with line and column).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: no JSON: {error}") from error
    return parse_json(text, str(path))


def parse_json(text: str, subject: str) -> Any:
    """Parse JSON; NaN and infinities are none.

    Raises:
        ConfigError: It is no JSON (with line and column).
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{subject}, {where}: no JSON: {error.msg}") from error
    except ValueError as error:
        raise ConfigError(f"{subject}: no JSON: {error}") from error


def check_json_schema(content: Any, subject: str) -> None:
    """Check that a value is a JSON Schema of an object.

    Raises:
        ConfigError: It is none, with the place that is wrong.
    """
    if not isinstance(content, dict):
        raise ConfigError(
            f"{subject}: a JSON Schema is a JSON object (got a {type(content).__name__})"
        )
    try:
        Draft202012Validator.check_schema(content)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "its root"
        raise ConfigError(f"{subject}: no valid JSON Schema at {where}: {error.message}") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value)
