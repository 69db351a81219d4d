"""What a model artifact says of itself: `graftline-model.json`, written by the stage `model`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

RECORD_FILE = "graftline-model.json"


@dataclass(frozen=True)
class ModelRecord:
    """Who a model is; both are empty where it does not say.

    Args:
        name: The Hub's name of it, as a rule.
        revision: Of that name.
    """

    name: str
    revision: str

    @property
    def label(self) -> str:
        """`name@revision`, or the name alone."""
        return f"{self.name}@{self.revision}" if self.name and self.revision else self.name


def read_model_record(folder: Path) -> ModelRecord:
    """Read what a model artifact says of itself; a folder without a record says nothing.

    Raises:
        DataError: There is a record, and it is not a JSON object with texts.
    """
    path = folder / RECORD_FILE
    if not path.is_file():
        return ModelRecord("", "")
    try:
        record: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"the model's {RECORD_FILE} is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise DataError(f"the model's {RECORD_FILE} is not a JSON object")
    name, revision = (record.get(key) or "" for key in ("name", "revision"))
    if not isinstance(name, str) or not isinstance(revision, str):
        raise DataError(f"the model's {RECORD_FILE}: name and revision must be texts")
    return ModelRecord(name, revision)
