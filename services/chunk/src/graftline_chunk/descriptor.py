"""The declaration of the `chunk` stage."""

from __future__ import annotations

from graftline.stage import Port, Stage
from graftline_chunk.config import ChunkConfig

STAGE = Stage(
    name="chunk",
    version="1",
    summary="Cut documents into chunks along their structure, with exact spans",
    inputs=(
        Port("documents", ("documents",), repeated=True, help="Documents of any stages"),
        Port(
            "model",
            ("model",),
            optional=True,
            files=("tokenizer.json", "graftline-model.json"),
            help="Whose tokenizer counts; needed for sizes in tokens",
        ),
    ),
    outputs=(
        Port("chunks", ("chunks",), help="Chunks, document by document"),
        Port("rejects", ("rejects",), help="Documents without text, or that came before"),
    ),
    config=ChunkConfig,
    run="graftline_chunk.stage:run",
)
