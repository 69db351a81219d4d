"""The declaration of the `ingest` stage."""

from __future__ import annotations

from graftline.stage import Port, Stage
from graftline_ingest.config import IngestConfig, IngestRuntime

STAGE = Stage(
    name="ingest",
    version="1",
    summary="Read JSONL, CSV, Parquet, Arrow and Hub sets into examples, or files into documents",
    inputs=(),
    outputs=(
        Port(
            "examples",
            ("examples",),
            optional=True,
            help="Chat examples with split, group and task",
        ),
        Port(
            "documents",
            ("documents",),
            optional=True,
            help="Documents with text, blocks and split (layout `documents`)",
        ),
        Port("rejects", ("rejects",), help="Rows or files that could not be used, and why"),
    ),
    config=IngestConfig,
    runtime=IngestRuntime,
    run="graftline_ingest.stage:run",
    conserves_rows=True,
)
