"""What the `export` stage declares."""

from __future__ import annotations

from graftline.ports import Port
from graftline.stage import Stage
from graftline_export.config import ExportConfig, ExportRuntime

STAGE = Stage(
    name="export",
    version="1",
    summary="the adapter as PEFT, merged, GGUF and Ollama, checked to give the same answers",
    inputs=(
        Port("model", ("model",), help="the base model that the adapter was trained on"),
        Port("adapter", ("adapter",), help="the adapter, in PEFT's layout"),
        Port("examples", ("examples",), optional=True, help="prompts for the parity check"),
        Port("metrics", ("metrics",), optional=True, repeated=True, help="for the model card"),
    ),
    outputs=(Port("bundle", ("bundle",), help="peft/, merged/, gguf/, README.md, parity.json"),),
    config=ExportConfig,
    runtime=ExportRuntime,
    run="graftline_export.stage:run",
)
