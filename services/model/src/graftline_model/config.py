"""Settings of the `model` stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from graftline.config import Config, Runtime, SourceUri


class ModelConfig(Config):
    """Which model, and what of it is kept."""

    uri: SourceUri = Field(
        description="Where the model is: `hf://org/name@revision`, `s3://bucket/prefix`, a folder "
        "in Hugging Face's layout, a `.gguf` file, or `package://module/file.gguf` in an installed "
        "Python package.",
        min_length=1,
    )
    name: str = Field(
        default="",
        description="The Hub id to record as the base model "
        "(`HuggingFaceTB/SmolLM2-135M-Instruct`); adapters name it. Empty: what the source "
        "says of itself.",
    )
    revision: str = Field(
        default="",
        description="The revision to record, and for an `hf://` source without `@` the one to "
        "fetch: a commit, tag or branch. A commit is the same for ever.",
    )
    keep_layers: int | None = Field(
        default=None,
        ge=1,
        description="Keep only the first so many decoder layers: a toy of the same shape, for "
        "tests.",
    )
    dtype: Literal["bf16", "fp32", "keep"] = Field(
        default="bf16",
        description="The type of the weights that are written; `keep` leaves what the source has "
        "(quantised GGUF tensors become fp32).",
    )
    chat_template: str = Field(
        default="",
        description="A chat template that replaces the model's own; needed when it has none. The "
        "name of a family (`alpaca`, `chatml`, `llama`, `gemma`, `qwen`, `mistral`) or a Jinja "
        "text. It is written into the model, so that training, evaluation and every exported form "
        "use the same one.",
    )


class ModelRuntime(Runtime):
    """How an `hf://` source is reached."""

    hub_endpoint: str = Field(
        default="",
        description="A mirror of the Hub (`https://hub.example.org`); empty: the Hub itself, or "
        "`HF_ENDPOINT` where that is set.",
    )
