"""Settings of the `export` stage."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from graftline.config import Config, Runtime, Settings

Format = Literal["peft", "merged", "gguf", "gguf-adapter", "ollama"]


class ParitySettings(Settings):
    """How the exported forms are compared with base + adapter."""

    prompts: int = Field(
        default=8, ge=1, le=256, description="How many prompts each form has to answer."
    )
    max_new_tokens: int = Field(
        default=48, ge=1, le=1024, description="Tokens of each answer, decoded greedily."
    )
    split: str = Field(
        default="eval",
        description="The examples' split that the prompts are taken from; another if it has none.",
    )
    dtype: Literal["fp32", "bf16"] = Field(
        default="fp32",
        description="The type in which base + adapter is computed. bf16 needs half the memory and "
        "is noisier: raise `near_tie` with it.",
    )
    near_tie: float = Field(
        default=0.2,
        ge=0,
        le=5,
        description="A different token counts as a near-tie, not as a disagreement, when base + "
        "adapter itself gives it a logit at most this far below its own choice.",
    )
    max_near_tie_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="The largest share of tokens that may be near-ties.",
    )
    ollama: Literal["never", "auto", "always"] = Field(
        default="never",
        description="Whether a real Ollama imports the Modelfiles and has to make the same prompt "
        "tokens and answers: `always` fails without an Ollama, `auto` asks one if there is one "
        "(what it found is then in parity.json on one machine and not on another).",
    )


class ExportConfig(Config):
    """Which forms are made, and what they say."""

    formats: list[Format] = Field(
        default=["peft", "merged", "gguf", "ollama"],
        min_length=1,
        description="Forms to make: `peft` (the adapter), `merged` (a whole model), `gguf` (the "
        "merged model for llama.cpp), `gguf-adapter` (the adapter alone for llama.cpp), `ollama` "
        "(a Modelfile for each GGUF).",
    )
    gguf_type: Literal["f16", "bf16", "f32", "q8_0"] = Field(
        default="f16",
        description="The type of the GGUF's weights (a GGUF adapter's own are always f32).",
    )
    adapter_from: str = Field(
        default="",
        description="What Modelfile.adapter is made from: a model that Ollama has "
        "(`smollm2:135m`), or a path to a GGUF of the base model. Empty: the base model is "
        "converted too and lies in the bundle.",
    )
    name: str = Field(
        default="",
        description="What the exported model is called; characters outside `[a-z0-9._-]` are "
        "replaced. Empty: the base model's name with `-lora`.",
    )
    system: str | None = Field(
        default=None,
        description="The Modelfile's system prompt. Null: the one that all training examples "
        "share, if they share one; empty: none.",
    )
    num_ctx: int | None = Field(
        default=None,
        ge=64,
        description="The Modelfile's context length. Null: the model's own, at most 8192.",
    )
    temperature: float = Field(
        default=0.0, ge=0, le=2, description="The Modelfile's temperature; 0 is greedy."
    )
    stop: list[str] = Field(
        default=[],
        description="Stop texts for the Modelfile, besides those of the chat template.",
    )
    ollama_template: str = Field(
        default="",
        description="A Go template for the Modelfile, in place of the one derived from the chat "
        "template.",
    )
    license: str = Field(
        default="",
        description="The licence of the adapter: an SPDX name for the card (`apache-2.0`), or a "
        "whole text, which is written to LICENSE and into the Modelfile.",
    )
    parity: ParitySettings = Field(
        default=ParitySettings(), description="How the forms are compared."
    )

    @model_validator(mode="after")
    def _check_formats(self) -> Self:
        if len(set(self.formats)) != len(self.formats):
            raise ValueError("formats: each may be named once")
        if "ollama" in self.formats and not {"gguf", "gguf-adapter"} & set(self.formats):
            raise ValueError(
                "formats: 'ollama' needs 'gguf' or 'gguf-adapter', which its Modelfile names"
            )
        if self.parity.ollama == "always" and "ollama" not in self.formats:
            raise ValueError("parity.ollama: there is nothing to ask without 'ollama' in `formats`")
        if self.parity.ollama == "always" and self.adapter_from and "gguf" not in self.formats:
            raise ValueError(
                "parity.ollama: there is nothing to ask: Modelfile.adapter is made from what "
                "`adapter_from` names, which an Ollama started for the check does not have; add "
                "'gguf' to `formats`, leave `adapter_from` empty, or set `parity.ollama` to never"
            )
        if self.adapter_from and "gguf-adapter" not in self.formats:
            raise ValueError("adapter_from: needs 'gguf-adapter' in `formats`")
        return self


class ExportRuntime(Runtime):
    """How the machine is used."""

    threads: int = Field(
        default=0, ge=0, description="CPU threads for torch, llama.cpp and Ollama; 0: all cores."
    )
    ollama_program: str = Field(
        default="ollama",
        min_length=1,
        description="The Ollama that `parity.ollama` starts for itself: a program on the PATH, or "
        "a path. Models that it has are not touched.",
    )
