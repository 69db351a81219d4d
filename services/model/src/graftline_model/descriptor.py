"""What the `model` stage declares."""

from __future__ import annotations

from graftline.ports import Port
from graftline.stage import Stage
from graftline_model.config import ModelConfig, ModelRuntime

STAGE = Stage(
    name="model",
    version="1",
    summary="a model from the Hub, S3, a folder, a package or a GGUF, as safetensors",
    inputs=(),
    outputs=(Port("model", ("model",), help="safetensors, tokenizer, chat template"),),
    config=ModelConfig,
    runtime=ModelRuntime,
    run="graftline_model.stage:run",
)
