"""What `generate` reads, makes and can be set to."""

from __future__ import annotations

from graftline.stage import Port, Stage
from graftline_generate.config import GenerateConfig

STAGE = Stage(
    name="generate",
    version="1",
    summary="makes examples from a task's specification",
    inputs=(),
    outputs=(
        Port("examples", ("examples",), help="train, eval and ood rows, all of them distinct"),
    ),
    config=GenerateConfig,
    run="graftline_generate.stage:run",
)
