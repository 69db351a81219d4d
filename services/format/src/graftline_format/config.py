"""Settings of `format`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from graftline.config import Config

TRAIN = "train"
VALIDATION = "validation"

ExportFormat = Literal["messages", "alpaca", "sharegpt", "prompt-completion", "qa"]


class FormatConfig(Config):
    """What is tokenised, what of it is learned, and what else is written."""

    splits: list[Annotated[str, Field(min_length=1)]] = Field(
        default=[TRAIN],
        min_length=1,
        description="Splits of the examples that are tokenised; the others are left to evaluation.",
    )
    validation_share: float = Field(
        default=0.02,
        ge=0,
        lt=0.5,
        description="Share of the train rows that becomes the split `validation`, cut by group "
        "(document, session, template), never through one; 0 for none. Has no effect if `splits` "
        "names `validation` itself.",
    )
    learn: Literal["last", "all"] = Field(
        default="last",
        description="Which of a conversation's assistant messages are learned.",
    )
    threshold: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="Lowest overall judgement (0 to 10) of a row that is kept; rows that no judge "
        "gave a score are left out then too. Null takes every row, judged or not.",
    )
    max_length: int = Field(
        default=2048,
        ge=1,
        description="Most tokens of a row; longer rows are rejected, never cut. The model's own "
        "context is a limit too.",
    )
    exports: list[ExportFormat] = Field(
        default=["messages", "alpaca", "sharegpt", "prompt-completion"],
        description="Exchange formats that the rows are written in as JSONL; an empty list for "
        "none. `prompt-completion` is text rendered by the model's chat template; `qa`, written if "
        "it is named, has question and answer with the chunk that they are from and the judge's "
        "scores.",
    )

    @model_validator(mode="after")
    def _names_come_once(self) -> FormatConfig:
        for name, values in (("splits", self.splits), ("exports", self.exports)):
            if len(set(values)) < len(values):
                raise ValueError(f"{name} names something twice")
        return self
