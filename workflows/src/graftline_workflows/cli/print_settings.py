"""A stage's settings as dotted paths: each as `--set STEP.PATH=VALUE` takes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.schema_words import resolve_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNSET = object()
_LONGEST = 60
NAME = "NAME"
"""Stands in a path for a name that the user chooses."""
ITEM = "[]"
"""Stands after a path for every item of a list, which is set as a whole."""


@dataclass(frozen=True)
class Setting:
    """One setting.

    Args:
        path: Its dotted path.
        default: Its default as JSON, shortened; `required`, or empty where its parts have theirs.
        description: What it is.
        only: With which choice it is there, as `kind: qa`; empty if always.
    """

    path: str
    default: str
    description: str
    only: str = ""


def settings_of(schema: dict[str, Any]) -> Iterator[Setting]:
    """Give a stage's settings, each before its parts."""
    yield from _parts(schema, schema, "", _UNSET, "", ())


def _parts(
    root: dict[str, Any], part: Any, path: str, given: Any, only: str, seen: tuple[str, ...]
) -> Iterator[Setting]:
    """Give what is within a part of a schema.

    Args:
        root: The schema.
        part: The part.
        path: Its path.
        given: Its default, where what is around it has one.
        only: With which choice it is there.
        seen: The references on the way: a part may contain its own kind.
    """
    reference = part.get("$ref", "")
    if reference in seen:
        return
    seen = (*seen, reference) if reference else seen
    part = resolve_reference(root, part)
    branches = [item for item in _branches(part) if item.get("type") != "null"]
    discriminator = part.get("discriminator", {})
    tag = discriminator.get("propertyName", "")
    if tag:
        choices = f"One of {', '.join(discriminator['mapping'])}."
        kind = given.get(tag, _UNSET) if isinstance(given, dict) else _UNSET
        yield Setting(f"{path}.{tag}", _spelled(kind), choices, only)
    for branch in branches:
        choice = _choice(root, branch, tag) if tag else only
        chosen = given if len(branches) == 1 or _has(given, tag, choice) else _UNSET
        inside = _parts(root, branch, path, chosen, choice, seen)
        yield from (item for item in inside if not tag or item.path != f"{path}.{tag}")
    required = part.get("required", [])
    for name, inner in part.get("properties", {}).items():
        inner_path = f"{path}.{name}" if path else name
        default = given.get(name, _UNSET) if isinstance(given, dict) else _UNSET
        if default is _UNSET:
            default = _own_default(root, inner, needed=name in required)
        within = list(_parts(root, inner, inner_path, default, only, seen))
        has_own = bool(within) and isinstance(default, dict)
        text = "" if has_own else _spelled(default)
        yield Setting(inner_path, text, resolve_reference(root, inner).get("description", ""), only)
        yield from within
    for mark, inside in ((f".{NAME}", part.get("additionalProperties")), (ITEM, part.get("items"))):
        if isinstance(inside, dict):
            yield from _parts(root, inside, f"{path}{mark}", _UNSET, only, seen)


def _branches(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [*part.get("anyOf", ()), *part.get("oneOf", ()), *part.get("allOf", ())]


def _choice(root: dict[str, Any], branch: Any, tag: str) -> str:
    told = resolve_reference(root, branch).get("properties", {}).get(tag, {})
    values = [told["const"]] if "const" in told else told.get("enum", [])
    return f"{tag}: {' | '.join(map(str, values))}"


def _has(given: Any, tag: str, choice: str) -> bool:
    return isinstance(given, dict) and choice == f"{tag}: {given.get(tag)}"


def _own_default(root: dict[str, Any], part: Any, *, needed: bool) -> Any:
    part = resolve_reference(root, part)
    if "default" in part:
        return part["default"]
    if needed:
        return _UNSET
    return [] if part.get("type") == "array" else {}


def _spelled(default: Any) -> str:
    if default is _UNSET:
        return "required"
    text = json.dumps(default, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
