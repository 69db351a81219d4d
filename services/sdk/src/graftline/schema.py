"""Settings checked against the JSON Schema of a stage's model, without importing the stage.

The planner sees only schemas (the catalog). What it fills in is what the stage's pydantic model
would make of the same values, so that a key says exactly what will run:

    fill_defaults(Model.model_json_schema(), v) == Model.model_validate(v).model_dump(mode="json")

for all JSON values `v` that the schema allows (with `by_alias=True` where a model has aliases).
Read are the schemas that pydantic makes of plain JSON settings: nested models, lists, tuples,
dicts, literals, unions, and discriminated unions (`oneOf` with `discriminator`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from graftline.config import SOURCE_MARK, nearest
from graftline.errors import BugError, ConfigError, Problem
from graftline.schema_words import Schema, problems_of, resolve_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_UNSET = object()


def check_settings(schema: Schema, values: Mapping[str, Any], path: str = "") -> list[Problem]:
    """Give everything that is wrong with a mapping of settings, in the order of their paths.

    Args:
        schema: The JSON Schema of a settings model.
        values: What the user gave; defaults may be missing.
        path: Put before every problem's path (`adapter`).
    """
    problems = list(_odd_values(dict(values), path))
    if problems:
        return problems
    for error in _Validator(schema).iter_errors(dict(values)):
        problems.extend(problems_of(schema, error, path))
    return sorted(set(problems), key=lambda problem: (problem.path, problem.message))


def fill_defaults(schema: Schema, values: Mapping[str, Any], subject: str = "settings") -> Schema:
    """Give the complete settings: checked, defaults filled in, numbers in their declared type.

    Raises:
        ConfigError: The values do not fit the schema; every problem is in it.
        BugError: The schema has an optional property without a default.
    """
    problems = check_settings(schema, values)
    if problems:
        raise ConfigError.of(problems, subject)
    return _Filler(schema).fill(schema, dict(values))  # type: ignore[no-any-return]


def source_settings(schema: Schema) -> list[str]:
    """Name the settings that name something outside the store (`SourceUri`), in order."""
    return [name for name, part in schema.get("properties", {}).items() if _is_source(schema, part)]


def setting_names(schema: Schema) -> list[str]:
    """Name the top-level settings, in order."""
    return list(schema.get("properties", {}))


def _is_source(root: Schema, part: Schema) -> bool:
    part = resolve_reference(root, part)
    branches = [*part.get("anyOf", []), *part.get("allOf", [])]
    return bool(part.get(SOURCE_MARK)) or any(_is_source(root, item) for item in branches)


def _odd_values(value: Any, path: str) -> Iterator[Problem]:
    """Find what is no JSON: NaN, infinities, and names that are not strings."""
    if isinstance(value, dict):
        for name, item in value.items():
            if isinstance(name, str):
                yield from _odd_values(item, f"{path}.{name}" if path else name)
            else:
                yield Problem(path, f"the name {name!r} must be text: put it in quotes")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _odd_values(item, f"{path}.{index}" if path else str(index))
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(path, f"must be a finite number (got {value})")
    elif not isinstance(value, str | int | float | bool | None):
        yield Problem(path, f"must be plain JSON (got {value!r})")


class _Filler:
    """Fills one schema's values in; the values are known to be valid."""

    def __init__(self, root: Schema) -> None:
        self._root = root

    def fill(self, part: Any, value: Any) -> Any:
        part = resolve_reference(self._root, part)
        if "const" in part:
            return part["const"]
        if "enum" in part:
            return next((item for item in part["enum"] if _same(item, value)), value)
        for keyword in ("oneOf", "anyOf"):
            if keyword in part:
                return self.fill(self._branch(part, part[keyword], value), value)
        for branch in part.get("allOf", []):
            value = self.fill(branch, value)
        if isinstance(value, dict):
            return self._fill_object(part, value)
        if isinstance(value, list | tuple):
            return self._fill_array(part, list(value))
        return _as_number(part.get("type"), value)

    def _fill_object(self, part: Schema, value: dict[str, Any]) -> dict[str, Any]:
        properties: Schema = part.get("properties", {})
        filled: dict[str, Any] = {}
        for name, inner in properties.items():
            given = value.get(name, _UNSET)
            if given is _UNSET:
                given = _default(self._root, name, inner, part)
            if given is not _UNSET:
                filled[name] = self.fill(inner, given)
        rest = part.get("additionalProperties", {})
        patterns = list(part.get("patternProperties", {}).values())
        inner = patterns[0] if patterns else (rest if isinstance(rest, dict) else {})
        for name, item in value.items():
            if name not in properties:
                filled[name] = self.fill(inner, item)
        return filled

    def _fill_array(self, part: Schema, value: list[Any]) -> list[Any]:
        first = part.get("prefixItems", [])
        rest = part.get("items", {})
        rest = rest if isinstance(rest, dict) else {}
        return [
            self.fill(first[index] if index < len(first) else rest, item)
            for index, item in enumerate(value)
        ]

    def _branch(self, part: Schema, branches: list[Schema], value: Any) -> Schema:
        """Choose as pydantic does: by the discriminator, else the most exact branch that fits."""
        tagged = _tagged_branch(self._root, part, value)
        if tagged is not None:
            return tagged
        fitting = [
            resolve_reference(self._root, branch)
            for branch in branches
            if _Validator(self._root).evolve(schema=branch).is_valid(value)
        ]
        if not fitting:
            raise BugError(f"no branch of a union fits {value!r}")
        return max(fitting, key=lambda branch: self._exactness(branch, value))

    def _exactness(self, branch: Schema, value: Any) -> tuple[int, int]:
        """Order branches that all fit: a number's own type first, then the most names known."""
        if isinstance(value, dict):
            return 1, sum(name in branch.get("properties", {}) for name in value)
        if isinstance(value, float):
            return int(branch.get("type") != "integer"), 0
        if isinstance(value, int):
            return int(branch.get("type") != "number"), 0
        return 1, 0


def _default(root: Schema, name: str, inner: Any, part: Schema) -> Any:
    """Give a property's default; of `default_factory` only empty lists and dicts are known."""
    if name in part.get("required", []):
        return _UNSET
    inner = resolve_reference(root, inner)
    if "default" in inner:
        return inner["default"]
    if inner.get("type") == "array" and not inner.get("minItems") and "prefixItems" not in inner:
        return []
    if inner.get("type") == "object" and "properties" not in inner:
        return {}
    raise BugError(
        f"setting '{name}' is optional, but its schema has no default: give it as a value"
    )


def _as_number(declared: Any, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if declared == "number":
        return float(value)
    if declared == "integer":
        return int(value)
    return value


def _same(left: Any, right: Any) -> bool:
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _tagged_branch(root: Schema, part: Schema, value: Any) -> Schema | None:
    """Give the branch of a discriminated union that a value's tag names."""
    discriminator = part.get("discriminator")
    if not discriminator or not isinstance(value, dict):
        return None
    tag = value.get(discriminator["propertyName"])
    reference = discriminator.get("mapping", {}).get(tag) if isinstance(tag, str) else None
    return resolve_reference(root, {"$ref": reference}) if reference else None


def _one_of(
    validator: Any, branches: list[Schema], value: Any, part: Schema
) -> Iterator[ValidationError]:
    """Judge a discriminated union by its tag alone: the message is about the branch meant."""
    discriminator = part.get("discriminator")
    if not discriminator or not isinstance(value, dict):
        yield from Draft202012Validator.VALIDATORS["oneOf"](validator, branches, value, part)
        return
    name = discriminator["propertyName"]
    tags = sorted(discriminator.get("mapping", {}))
    tag = value.get(name, _UNSET)
    if tag is _UNSET:
        yield _tag_error(name, f"is required; one of {', '.join(tags)}")
    elif tag not in tags:
        hint = nearest(str(tag), tags)
        yield _tag_error(name, f"must be one of {', '.join(tags)} (got {tag!r}){hint}")
    else:
        reference = discriminator["mapping"][tag]
        yield from validator.descend(value, {"$ref": reference})


def _tag_error(name: str, message: str) -> ValidationError:
    return ValidationError(message, path=[name], validator="discriminator")


def _any_of(
    validator: Any, branches: list[Schema], value: Any, part: Schema
) -> Iterator[ValidationError]:
    """Judge `X | None` as X, so that the message is about X."""
    branches_but_null = [branch for branch in branches if branch.get("type") != "null"]
    if len(branches_but_null) == 1 and len(branches) == 2 and value is not None:
        yield from validator.descend(value, branches_but_null[0])
        return
    yield from Draft202012Validator.VALIDATORS["anyOf"](validator, branches, value, part)


_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"oneOf": _one_of, "anyOf": _any_of}
)
