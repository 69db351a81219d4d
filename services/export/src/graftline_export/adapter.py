"""The adapter: what it says of itself, and whether it fits the model it is exported on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.domain.model_record import ModelRecord, read_model_record
from graftline.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"


@dataclass(frozen=True)
class BaseModel(ModelRecord):
    """The base model's identity, as the `model` stage recorded it, and what bounds it.

    Args:
        context: Tokens of one conversation at most; 0 where the model does not say.
        layers: How many it has.
    """

    context: int
    layers: int


def read_base(folder: Path) -> BaseModel:
    """Read who the base model is.

    Raises:
        DataError: The folder is not a model artifact.
    """
    record = read_model_record(folder)
    config = _read_json(folder / "config.json")
    body = config.get("text_config", config)
    return BaseModel(
        record.name,
        record.revision,
        int(body.get("max_position_embeddings") or 0),
        int(body.get("num_hidden_layers") or 0),
    )


def read_adapter(folder: Path, base: BaseModel) -> dict[str, Any]:
    """Read the adapter's config and check that the adapter is of this base model.

    Raises:
        DataError: It is not a PEFT adapter in safetensors, or of another model, or names a local
            path as its base.
    """
    config = _read_json(folder / ADAPTER_CONFIG)
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise DataError(f"the adapter has no {ADAPTER_WEIGHTS}", "only safetensors are read")
    named = str(config.get("base_model_name_or_path") or "")
    if named.startswith(("/", ".", "~")) or ":\\" in named:
        raise DataError(f"adapter_config.json names the local path '{named}' as its base model")
    if named != base.name:
        raise DataError(f"the adapter was trained on '{named}', the model here is '{base.name}'")
    revision = str(config.get("revision") or "")
    if revision and base.revision and revision != base.revision:
        raise DataError(
            f"the adapter was trained on revision {revision} of {named}, the model here is "
            f"revision {base.revision}"
        )
    return config


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise DataError(f"{path.parent.name}: no {path.name}") from error
    except ValueError as error:
        raise DataError(f"{path.name}: not readable as JSON: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{path.name}: not a JSON object")
    return value
