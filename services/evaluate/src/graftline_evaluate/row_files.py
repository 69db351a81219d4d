"""The files of a metrics artifact: metrics.json, rows.parquet and the results as one JSON file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from graftline.domain.rows import MESSAGE, SPAN
from graftline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

METRICS_FILE = "metrics.json"
ROWS_FILE = "rows.parquet"
RESULT_FILES = {"baseline": "baseline_results.json", "adapted": "lora_results.json"}

_BEFORE = (
    pa.field("id", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("group", pa.string(), nullable=False),
    pa.field("variant", pa.string(), nullable=False),
    # The last message of the prompt: what the model was asked.
    pa.field("prompt", pa.string(), nullable=False),
    # The training prompt's messages; what `few_shot` adds stands in metrics.json.
    pa.field("messages", pa.list_(MESSAGE), nullable=False),
    pa.field("gold", pa.string(), nullable=False),
    # All that the model wrote, stop token excepted.
    pa.field("output", pa.string(), nullable=False),
    # Whether a stop token ended it, and not the limit of tokens.
    pa.field("finished", pa.bool_(), nullable=False),
    pa.field("input_tokens", pa.int32(), nullable=False),
    pa.field("output_tokens", pa.int32(), nullable=False),
)
_AFTER = (
    # The first thing that is wrong, as a name to count by and as a line; empty if nothing is.
    pa.field("failure", pa.string(), nullable=False),
    pa.field("reason", pa.string(), nullable=False),
    # Where the example comes from, as in `rows.EXAMPLES`.
    pa.field("parents", pa.list_(pa.string()), nullable=False),
    pa.field("source", SPAN),
    pa.field("meta", pa.string(), nullable=False),
)


def write_rows(folder: Path, rows: Sequence[dict[str, Any]], columns: Sequence[pa.Field]) -> None:
    """Write rows.parquet.

    Args:
        folder: Where.
        rows: With every column.
        columns: The scorer's own.
    """
    table = pa.Table.from_pylist(list(rows), schema=pa.schema([*_BEFORE, *columns, *_AFTER]))
    pq.write_table(table, folder / ROWS_FILE, compression="zstd")


def read_baseline(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read a baseline's metrics and rows.

    Raises:
        DataError: They are not there, cannot be read, or are not a baseline's.
    """
    try:
        metrics = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
        rows = pq.read_table(folder / ROWS_FILE, use_threads=False).to_pylist()
        role = metrics["role"]
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise DataError(f"baseline: it is no metrics of an evaluate step: {error}") from error
    if role != "baseline":
        raise DataError(
            f"baseline: its role is '{role}'", "connect an evaluate step that has no adapter"
        )
    return metrics, rows


def write_results(folder: Path, metrics: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    """Write metrics.json and baseline_results.json or lora_results.json."""
    _write_json(folder / METRICS_FILE, metrics)
    kept = ("id", "split", "variant", "prompt", "gold", "output", "finished", "failure", "reason")
    told = [{name: row[name] for name in kept} for row in rows]
    _write_json(folder / RESULT_FILES[metrics["role"]], {"summary": metrics, "rows": told})


def _write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False)
    path.write_text(f"{text}\n", encoding="utf-8")
