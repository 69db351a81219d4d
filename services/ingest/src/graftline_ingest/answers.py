"""The form of an answer: its schema, the order of its keys, its one spelling."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

import jsonschema_rs
import msgspec

from graftline.errors import ConfigError
from graftline_ingest.drafts import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

# What is remembered takes about 32 MiB: most labels are short and occur again, long ones do not.
_REMEMBERED_BYTES = 32 << 20
_LONGEST_REMEMBERED = 2048
_ENTRY_BYTES = 256
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(", ", ": ")).encode
_to_bytes = msgspec.json.Encoder().encode


class AnswerForm:
    """Validates answers, orders their keys and spells them.

    The order is `key_order`, then the schema's `required`, then by name: never that of
    `properties`, which a config in canonical JSON does not keep.

    Args:
        schema: A JSON Schema (draft 4 to 2020-12); empty if anything is allowed.
        key_order: Paths of keys, in order.
    """

    def __init__(self, schema: dict[str, Any], key_order: Sequence[str]) -> None:
        """Compile the schema.

        Raises:
            ConfigError: It is no valid JSON Schema, or refers to something outside itself.
        """
        self._schema = schema
        self._rank = {path: rank for rank, path in enumerate(key_order)}
        self._memory: dict[bytes, str | Refused] = {}
        self._memory_bytes = 0
        self._validator: Any = None
        if schema:
            try:
                self._validator = jsonschema_rs.validator_for(schema, retriever=_refuse_to_fetch)
            except (jsonschema_rs.ValidationError, ValueError) as error:
                cause = str(error).splitlines()[0]
                raise ConfigError(f"answer_schema is no valid JSON Schema: {cause}") from error

    @property
    def has_schema(self) -> bool:
        """Whether answers must be JSON of a schema."""
        return self._validator is not None

    def text_of(self, answer: Any) -> str:
        """Order, validate and spell an answer.

        Raises:
            Refused: It violates the schema.
            ValueError: It holds what JSON has not: NaN, an infinity.
            RecursionError: It is nested too deeply.
        """
        key = _to_bytes(answer)
        if b"null" in key:
            _encode(answer)  # NaN and infinities are null in the key, and must not pass for it
        known = self._memory.get(key)
        if known is None:
            known = self._judge(answer)
            self._remember(key, known)
        if isinstance(known, Refused):
            raise Refused(known.reason, known.detail)
        return known

    def _remember(self, key: bytes, known: str | Refused) -> None:
        size = len(key) + len(known.detail if isinstance(known, Refused) else known)
        if size > _LONGEST_REMEMBERED:
            return
        self._memory_bytes += size + _ENTRY_BYTES
        if self._memory_bytes > _REMEMBERED_BYTES:
            self._memory.clear()
            self._memory_bytes = size + _ENTRY_BYTES
        self._memory[key] = known

    def respell(self, text: str) -> str:
        """Parse an answer that is text already, strictly, and spell it as `text_of` does.

        Raises:
            Refused: It is no JSON, or violates the schema.
        """
        try:
            answer = msgspec.json.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise Refused("answer-not-json", f"the answer is no JSON: {error}") from None
        return self.text_of(answer)

    def takes_null(self, path: Sequence[str]) -> bool:
        """Whether the schema allows null at a path of keys."""
        return "null" in self._types(path)

    def is_list(self, path: Sequence[str]) -> bool:
        """Whether the schema allows an array and no bare value at a path of keys."""
        return self._types(path) - {"null"} == {"array"}

    def fit(self, path: Sequence[str], value: Any, cells: bool) -> Any:
        """Give a label the type that the schema asks for, where that is beyond doubt.

        Args:
            path: Where in the answer it stands.
            value: The label.
            cells: Whether it comes from a text table, where `3` may be a number.
        """
        types = self._types(path)
        if cells and isinstance(value, str) and types and "string" not in types:
            value = _from_cell(value, types)
        if types - {"null"} == {"array"} and not isinstance(value, list):
            return [value]
        return value

    def _judge(self, answer: Any) -> str | Refused:
        if self._validator is not None and not self._validator.is_valid(answer):
            problems = []
            for error in self._validator.iter_errors(answer):
                path = ".".join(str(part) for part in error.instance_path)
                problems.append(f"{path or 'answer'}: {error.message}")
            return Refused("label-not-in-schema", "; ".join(sorted(problems)[:3]))
        return _encode(self._ordered(answer, self._schema, ""))

    def _ordered(self, value: Any, schema: Any, path: str) -> Any:
        schema = self._resolve(schema)
        if isinstance(value, list):
            items = schema.get("items")
            return [self._ordered(item, items, path) for item in value]
        if not isinstance(value, dict):
            return value
        required = {key: rank for rank, key in enumerate(schema.get("required") or ())}
        properties = schema.get("properties") or {}

        def place(key: str) -> tuple[int, int, str]:
            inner = f"{path}.{key}" if path else key
            if inner in self._rank:
                return 0, self._rank[inner], key
            return (1, required[key], key) if key in required else (2, 0, key)

        return {
            key: self._ordered(
                value[key],
                properties.get(key, schema.get("additionalProperties")),
                f"{path}.{key}" if path else key,
            )
            for key in sorted(value, key=place)
        }

    def _types(self, path: Sequence[str]) -> set[str]:
        schema = self._resolve(self._schema)
        for part in path:
            inner = (schema.get("properties") or {}).get(part, schema.get("additionalProperties"))
            schema = self._resolve(inner)
        return _types_of(schema, self._resolve)

    def _resolve(self, schema: Any, depth: int = 0) -> dict[str, Any]:
        if not isinstance(schema, dict):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#") or depth > 16:
            return schema
        target: Any = self._schema
        for part in reference.lstrip("#").strip("/").split("/"):
            if part:
                name = part.replace("~1", "/").replace("~0", "~")
                target = target.get(name) if isinstance(target, dict) else None
        return self._resolve(target, depth + 1)


def _types_of(schema: dict[str, Any], resolve: Any) -> set[str]:
    """Collect the JSON types that a schema names; empty if it does not say."""
    declared = schema.get("type", [])
    types = {declared} if isinstance(declared, str) else set(declared)
    for choice in schema.get("anyOf", schema.get("oneOf", [])):
        types |= _types_of(resolve(choice), resolve)
    values = [*schema.get("enum", []), *([schema["const"]] if "const" in schema else [])]
    if not types:
        types = {_JSON_TYPES[type(value)] for value in values}
    elif values and None not in values:
        types -= {"null"}
    return types


_JSON_TYPES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    list: "array",
    dict: "object",
}


def _from_cell(cell: str, types: set[str]) -> Any:
    try:
        value = msgspec.json.decode(cell.strip().lower() if "boolean" in types else cell.strip())
    except (msgspec.MsgspecError, UnicodeError):
        return cell
    return value if _JSON_TYPES[type(value)] in types | {"integer"} else cell


def _refuse_to_fetch(uri: str) -> NoReturn:
    raise ValueError(f"$ref to '{uri}': only references inside the schema are followed")
