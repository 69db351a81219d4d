"""What `generate` reads, makes and can be set to."""

from __future__ import annotations

from graftline.stage import Port, Stage
from graftline_generate.config import GenerateConfig, GenerateRuntime

STAGE = Stage(
    name="generate",
    version="2",
    summary="makes examples from a task's specification, or from chunks with a language model",
    inputs=(
        Port("chunks", ("chunks",), optional=True, help="what the task qa asks questions about"),
    ),
    outputs=(
        Port("examples", ("examples",), help="rows of all splits"),
        Port("rejects", ("rejects",), optional=True, help="chunks and pairs of qa without use"),
    ),
    config=GenerateConfig,
    runtime=GenerateRuntime,
    run="graftline_generate.stage:run",
    ranks=True,
)
