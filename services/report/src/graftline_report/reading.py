"""JSON files of the inputs, read or refused with one message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from graftline.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DataError: It is not there, or none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} of the inputs cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path.name} of the inputs is no JSON object")
    return found
