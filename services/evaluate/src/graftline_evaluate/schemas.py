"""A user's JSON Schema, read by the draft that it names, without fetching anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT7, DRAFT202012

if TYPE_CHECKING:
    from collections.abc import Iterator

_DRAFTS = {
    "https://json-schema.org/draft/2020-12/schema": (Draft202012Validator, DRAFT202012),
    "http://json-schema.org/draft-07/schema": (Draft7Validator, DRAFT7),
}
_DEFAULT_DRAFT = next(iter(_DRAFTS))
_MAX_MESSAGE = 160


class AnswerSchema:
    """Checks values against one schema; `format` is an annotation, as both drafts have it.

    Args:
        schema: A valid schema (see `check_schema`).
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        """Choose the validator by `$schema` (default: draft 2020-12)."""
        validator, _ = _draft(schema)
        # A registry of the drafts alone: by default jsonschema would fetch what a `$ref` names.
        self._validator = validator(schema, registry=REGISTRY)

    def problem(self, value: Any) -> str:
        """Give where and why a value violates the schema, or nothing.

        Of several places the first is told: `at entities.order_id: 5 is not of type 'string'`.

        Raises:
            ValueError: The schema refers to itself without end.
        """
        try:
            errors = sorted(self._validator.iter_errors(value), key=_place)
        except RecursionError as error:
            raise ValueError("the schema refers to itself without end") from error
        return _tell(errors[0]) if errors else ""


def check_schema(schema: dict[str, Any]) -> None:
    """Check that a value is a JSON Schema that can be used.

    Raises:
        ValueError: It is no valid schema of its draft, names another draft, or refers to something
            outside itself; the text says where.
    """
    validator, specification = _draft(schema)
    try:
        validator.check_schema(schema)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "its root"
        raise ValueError(f"no valid JSON Schema at {where}: {_cut(error.message)}") from error
    root = specification.create_resource(schema)
    for reference in _dangling(root, REGISTRY.resolver_with_root(root)):
        raise ValueError(f"the schema refers to '{reference}', which is not in it")


def _draft(schema: dict[str, Any]) -> tuple[Any, Any]:
    name = schema.get("$schema", _DEFAULT_DRAFT)
    found = _DRAFTS.get(name.rstrip("#")) if isinstance(name, str) else None
    if found is None:
        raise ValueError(f"$schema is {name!r}; allowed are {', '.join(_DRAFTS)}")
    return found


def _dangling(resource: Any, resolver: Any) -> Iterator[str]:
    contents = resource.contents
    if isinstance(contents, dict):
        for keyword in ("$ref", "$dynamicRef"):
            reference = contents.get(keyword)
            if isinstance(reference, str):
                try:
                    resolver.lookup(reference)
                except Unresolvable:
                    yield reference
    for inner in resource.subresources():
        yield from _dangling(inner, resolver.in_subresource(inner))


def _place(error: ValidationError) -> tuple[list[str], str]:
    return [str(part) for part in error.absolute_path], error.message


def _tell(error: ValidationError) -> str:
    where = ".".join(map(str, error.absolute_path))
    return f"at {where or 'the root'}: {_cut(error.message)}"


def _cut(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE else f"{message[:_MAX_MESSAGE]}…"
