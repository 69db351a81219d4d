"""The catalog as the planner reads it."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from graftline import CONTRACT_VERSION
from graftline.canonical import canonical_json
from graftline.config import nearest
from graftline.errors import BugError, ConfigError
from graftline.ports import kind_name
from graftline.schema import setting_names, source_settings
from graftline.v1 import stage_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

CATALOG_FOLDER = Path(__file__).parent
RESERVED_SETTINGS = ("seed",)
_SCHEMAS = ("configSchema", "runtimeSchema")


class StageEntry:
    """One stage of the catalog, its schemas parsed once.

    Args:
        descriptor: What the stage says of itself.
    """

    def __init__(self, descriptor: stage_pb2.StageDescriptor) -> None:
        """Keep the descriptor."""
        self.descriptor = descriptor
        self.name = descriptor.name
        self.inputs = {port.name: port for port in descriptor.inputs}
        self.outputs = {port.name: port for port in descriptor.outputs}

    @cached_property
    def config_schema(self) -> dict[str, Any]:
        """The JSON Schema of the settings that decide the output."""
        return _parsed(self.descriptor.config_schema, self.name)

    @cached_property
    def runtime_schema(self) -> dict[str, Any]:
        """The JSON Schema of the settings that do not."""
        return _parsed(self.descriptor.runtime_schema, self.name)

    @cached_property
    def source_settings(self) -> list[str]:
        """The config settings that name something outside the store."""
        return source_settings(self.config_schema)

    def check(self) -> None:
        """Check what the planner relies on.

        Raises:
            BugError: A setting's name stands in both schemas or is reserved, a port's name twice,
                or the contract's version is another one.
        """
        config, runtime = setting_names(self.config_schema), setting_names(self.runtime_schema)
        for name in sorted(set(config) & set(runtime)):
            raise BugError(f"stage '{self.name}': setting '{name}' is in config and in runtime")
        for name in RESERVED_SETTINGS:
            if name in config or name in runtime:
                raise BugError(f"stage '{self.name}': '{name}' is the step's, not a setting")
        for ports in (self.descriptor.inputs, self.descriptor.outputs):
            if len({port.name for port in ports}) != len(ports):
                raise BugError(f"stage '{self.name}': two ports have one name")
        if self.descriptor.contract_version != CONTRACT_VERSION:
            raise BugError(
                f"stage '{self.name}' speaks contract {self.descriptor.contract_version}, "
                f"this planner {CONTRACT_VERSION}"
            )


class Catalog:
    """Stages by name.

    Args:
        stages: The descriptors.
    """

    def __init__(self, stages: Mapping[str, stage_pb2.StageDescriptor]) -> None:
        """Keep the descriptors, sorted by name."""
        self.stages = {name: StageEntry(stages[name]) for name in sorted(stages)}

    def entry(self, name: str) -> StageEntry:
        """Give a stage.

        Raises:
            ConfigError: There is none of that name.
        """
        if name not in self.stages:
            raise ConfigError(f"unknown stage '{name}'{nearest(name, self.stages)}")
        return self.stages[name]

    def descriptor(self, name: str) -> stage_pb2.StageDescriptor:
        """Give a stage's descriptor.

        Raises:
            ConfigError: There is none of that name.
        """
        return self.entry(name).descriptor


def load_catalog(folder: Path = CATALOG_FOLDER) -> Catalog:
    """Read the committed catalog.

    Raises:
        BugError: It is empty or damaged; `make catalog` writes it.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise BugError(f"the catalog in {folder} is empty", "make catalog")
    return Catalog(
        {path.stem: read_descriptor(path.read_text("utf-8"), path.name) for path in files}
    )


def read_descriptor(text: str, subject: str) -> stage_pb2.StageDescriptor:
    """Read a descriptor from protobuf JSON; its schemas may be objects or text.

    Raises:
        BugError: It is none.
    """
    try:
        values = json.loads(text)
        for name in _SCHEMAS:
            if isinstance(values.get(name), dict):
                values[name] = canonical_json(values[name])
        return ParseDict(values, stage_pb2.StageDescriptor())
    except (ValueError, AttributeError, ParseError) as error:
        raise BugError(f"{subject}: no stage descriptor ({error})") from error


def write_descriptor(descriptor: stage_pb2.StageDescriptor) -> str:
    """Spell a descriptor as the catalog does: protobuf JSON, schemas as objects, sorted keys."""
    values = MessageToDict(descriptor)
    for name in _SCHEMAS:
        values[name] = json.loads(values[name]) if values.get(name) else {}
    return json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def kinds_of(port: stage_pb2.Port) -> list[str]:
    """Name a port's artifact kinds."""
    return [kind_name(kind) for kind in port.kinds]


def _parsed(schema: str, stage: str) -> dict[str, Any]:
    try:
        parsed = json.loads(schema or "{}")
    except ValueError as error:
        raise BugError(f"stage '{stage}': its descriptor holds no JSON Schema") from error
    if not isinstance(parsed, dict):
        raise BugError(f"stage '{stage}': its descriptor holds no JSON Schema")
    return parsed
