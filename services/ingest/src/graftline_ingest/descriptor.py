"""The declaration of the `ingest` stage."""

from __future__ import annotations

from graftline.stage import Port, Stage
from graftline_ingest.config import IngestConfig

STAGE = Stage(
    name="ingest",
    version="1",
    summary="Read JSONL, JSON, CSV, Parquet, Arrow and Hub sets of many layouts into examples",
    inputs=(),
    outputs=(
        Port("examples", ("examples",), help="Chat examples with split, group and task"),
        Port("rejects", ("rejects",), help="Rows that could not be used, with the reason"),
    ),
    config=IngestConfig,
    run="graftline_ingest.stage:run",
    conserves_rows=True,
)
