"""What a JSON Schema allows, and what breaks it, in a few words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline.config import nearest
from graftline.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Schema = dict[str, Any]


def resolve_reference(root: Schema, part: Any) -> Schema:
    """Follow `$ref`; keys beside it (default, description) go on top."""
    if part is True:
        return {}
    while "$ref" in part:
        target: Any = root
        for name in part["$ref"].removeprefix("#/").split("/"):
            target = target[name.replace("~1", "/").replace("~0", "~")]
        part = {**target, **{key: value for key, value in part.items() if key != "$ref"}}
    return part  # type: ignore[no-any-return]


def problems_of(root: Schema, error: Any, prefix: str) -> Iterator[Problem]:
    """Say what a validation error is about, once for each setting that it names."""
    path = ".".join(str(part) for part in ([prefix] if prefix else []) + list(error.absolute_path))
    value = error.instance
    match error.validator:
        case "additionalProperties" if isinstance(value, dict):
            allowed = sorted(error.schema.get("properties", {}))
            for name in value:
                if name not in allowed:
                    yield Problem(f"{path}.{name}" if path else name, _unknown(name, allowed))
        case "required" if isinstance(value, dict):
            for name in error.validator_value:
                if name not in value:
                    part = error.schema.get("properties", {}).get(name, {})
                    wanted = _wanted(root, part)
                    yield Problem(
                        f"{path}.{name}" if path else name,
                        f"is required{f': {wanted}' if wanted else ''}",
                    )
        case "discriminator" | "not" | "if" | "dependentRequired":
            yield Problem(path, error.message)
        case _:
            words, hint = _allowed(root, error)
            yield Problem(path, f"must be {words} (got {_short(value)}){hint}")


def _unknown(name: str, allowed: list[str]) -> str:
    hint = nearest(name, allowed)
    if hint:
        return f"unknown setting{hint}"
    return f"unknown setting; allowed: {', '.join(allowed) if allowed else 'none'}"


_TYPE_NAMES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}

_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "above {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters long",
    "maxLength": "at most {} characters long",
    "minItems": "a list of at least {}",
    "maxItems": "a list of at most {}",
    "minProperties": "a mapping of at least {}",
    "maxProperties": "a mapping of at most {}",
    "pattern": "text that matches {}",
    "const": "{!r}",
}


def _allowed(root: Schema, error: Any) -> tuple[str, str]:
    """Say what a value must be, and which allowed word is near it."""
    if error.validator in _BOUNDS:
        return _BOUNDS[error.validator].format(error.validator_value), ""
    if error.validator in ("enum", "anyOf", "oneOf", "type"):
        words = [str(item) for item in error.schema.get("enum", [])]
        return _wanted(root, error.schema), nearest(str(error.instance), words)
    return str(error.message), ""


def _wanted(root: Schema, part: Schema) -> str:
    """Say in a few words what a part of a schema allows."""
    part = resolve_reference(root, part)
    if "enum" in part:
        return f"one of {_listed(map(str, part['enum']))}"
    if "const" in part:
        return repr(part["const"])
    for keyword in ("anyOf", "oneOf"):
        if keyword in part:
            words = [_wanted(root, branch) for branch in part[keyword]]
            return " or ".join(dict.fromkeys(word for word in words if word))
    declared = part.get("type", "")
    if isinstance(declared, list):
        return " or ".join(_TYPE_NAMES.get(str(name), str(name)) for name in declared)
    bounds = [
        text.format(part[name])
        for name, text in _BOUNDS.items()
        if name in part and declared in ("integer", "number")
    ]
    return " and ".join([_TYPE_NAMES.get(declared, str(declared)), *bounds])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _short(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
