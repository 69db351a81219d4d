"""What `format` reads, makes and can be set to."""

from __future__ import annotations

from graftline.stage import Port, Stage
from graftline_format.config import FormatConfig

STAGE = Stage(
    name="format",
    version="1",
    summary="turns examples into tokens with a loss mask, and into exchange formats",
    inputs=(
        Port("examples", ("examples",), help="what is to be learned"),
        Port(
            "model",
            ("model",),
            files=("*.json", "*.jinja"),
            help="whose tokenizer and chat template are used",
        ),
    ),
    outputs=(
        Port("training_set", ("training_set",), help="tokens, loss mask, statistics and preview"),
        Port("exports", ("bundle",), optional=True, help="the same rows in exchange formats"),
        Port("rejects", ("rejects",), help="rows that cannot be learned, with the reason"),
    ),
    config=FormatConfig,
    run="graftline_format.stage:run",
    conserves_rows=True,
)
