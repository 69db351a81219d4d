"""The settings of the `chunk` stage."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from graftline.config import Config


class ChunkConfig(Config):
    """Settings of `chunk`."""

    strategy: Literal["markdown", "html", "recursive", "character"] = Field(
        default="markdown",
        description="Where to cut: markdown and html (the same) at headings, the higher first, then"
        " between blocks, sentences, lines, words; recursive likewise, headings being blocks like"
        " others; character at `separator` alone, whatever the structure.",
    )
    unit: Literal["characters", "tokens"] = Field(
        default="characters",
        description="What sizes count; tokens are those of the port `model`'s tokenizer.",
    )
    size: int = Field(default=1000, ge=1, description="Most characters or tokens of a chunk.")
    overlap: int = Field(
        default=200,
        ge=0,
        description="Most characters or tokens that a chunk repeats of the one before: as many as"
        " let it begin at a block, sentence, line or word (never more than half of that chunk). A"
        " chunk that begins with a heading repeats nothing (markdown, html).",
    )
    min_size: int = Field(
        default=50,
        ge=0,
        description="Fewest characters or tokens that a chunk adds where the document allows it; at"
        " most half of `size` counts. Nothing is dropped for being short.",
    )
    separator: str = Field(
        default="\n\n", min_length=1, description="Where the strategy `character` cuts."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if 2 * self.overlap > self.size:
            raise ValueError(
                f"overlap {self.overlap} is more than half of size {self.size}; lower it, or raise"
                " the size"
            )
        return self
