"""The settings of the `curate` stage: operations, told apart by `op`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from graftline.config import Config, Settings

InSplits = Annotated[
    list[str], Field(description="Splits whose rows are looked at; empty: all of them.")
]


class Normalise(Settings):
    """Spell text in one way. A row that changes gets a new id; its old one joins its parents."""

    op: Literal["normalise"] = Field(description="Spell text in one way.")
    of: Literal["user", "all"] = Field(
        default="user", description="Which messages: the user's only, or all."
    )
    unicode: Literal["NFC", "NFKC", "none"] = Field(
        default="NFC", description="Unicode normal form."
    )
    line_ends: bool = Field(default=True, description="Turn CRLF and CR into LF.")
    trim: bool = Field(default=True, description="Drop white space at both ends.")
    invisible: bool = Field(
        default=True,
        description="Drop zero-width spaces, word joiners, byte order marks and control characters"
        " other than tab and newline. The joiners of emoji and scripts stay.",
    )


class FieldRule(Settings):
    """What a field of `meta` must hold; its value is compared as text (`true`, `3`, `en`)."""

    field: str = Field(min_length=1, description="Name in `meta`; `a.b` reaches inside.")
    any_of: list[str] = Field(default=[], description="Allowed values; empty: any.")
    none_of: list[str] = Field(default=[], description="Forbidden values.")
    matches: str = Field(default="", description="Regular expression that must be found in it.")
    at_least: float | None = Field(default=None, description="Smallest number allowed.")
    at_most: float | None = Field(default=None, description="Largest number allowed.")
    required: bool = Field(default=True, description="Whether rows without the field are dropped.")

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        try:
            re.compile(self.matches)
        except re.error as error:
            raise ValueError(f"`matches` is no regular expression: {error}") from error
        return self


class Filter(Settings):
    """Drop rows that break a rule, each with the first rule that it breaks as reason."""

    op: Literal["filter"] = Field(description="Drop rows that break a rule.")
    in_splits: InSplits = []
    roles: bool = Field(
        default=True,
        description="Drop rows whose roles are not [system], then user and assistant in turn with"
        " tool results after an assistant's call, the assistant last (roles-out-of-order).",
    )
    empty_answer: bool = Field(
        default=True, description="Drop rows whose answer has no text (empty-answer)."
    )
    min_prompt_chars: int = Field(
        default=1, ge=0, description="Fewest characters before the answer (prompt-too-short)."
    )
    max_prompt_chars: int = Field(
        default=0, ge=0, description="Most characters before the answer; 0: any (prompt-too-long)."
    )
    min_answer_chars: int = Field(
        default=0, ge=0, description="Fewest characters of the answer (answer-too-short)."
    )
    max_answer_chars: int = Field(
        default=0, ge=0, description="Most characters of the answer; 0: any (answer-too-long)."
    )
    tasks: list[str] = Field(
        default=[], description="Allowed tasks; empty: all (task-not-allowed)."
    )
    splits: list[str] = Field(
        default=[], description="Allowed splits; empty: all (split-not-allowed)."
    )
    rules: list[FieldRule] = Field(default=[], description="Rules for `meta` (field:<name>).")


class Validate(Settings):
    """Drop rows whose answer is not strict JSON, or violates a JSON Schema."""

    op: Literal["validate"] = Field(description="Hold answers against a JSON Schema.")
    in_splits: InSplits = []
    answer_schema: dict[str, Any] = Field(
        default={},
        description="JSON Schema; empty: any JSON object (answer-not-json, answer-not-in-schema).",
    )


class Dedupe(Settings):
    """Keep one of equal rows: evaluation rows before train rows, else by a digest of the row."""

    op: Literal["dedupe"] = Field(description="Keep one of equal rows (duplicate).")
    by: Literal["prompt", "example"] = Field(
        default="prompt",
        description="What must be equal: the prompt without regard to case, white space and Unicode"
        " compatibility; or all messages and tools, exactly.",
    )
    across_splits: bool = Field(
        default=True, description="Whether rows of different splits are compared."
    )


class Decontaminate(Settings):
    """Drop train rows that the evaluation rows give away, or are given away by."""

    op: Literal["decontaminate"] = Field(
        description="Drop rows that occur in an evaluation split (contaminated)."
    )
    clean: list[str] = Field(default=["train"], description="Splits that lose rows.")
    against: list[str] = Field(
        default=[], description="Evaluation splits; empty: every split that is not cleaned."
    )
    ngram: int = Field(
        default=13,
        ge=0,
        le=64,
        description="Words in a row that must not occur in an evaluation prompt (case and"
        " punctuation ignored); 0: only whole prompts are compared.",
    )
    common_above: int = Field(
        default=10,
        ge=1,
        description="Runs of words found in more than this many evaluation prompts are boilerplate"
        " (signatures, headers) and do not count.",
    )
    fail_above: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Fail if a larger share of the cleaned splits' rows is contaminated.",
    )

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        both = sorted(set(self.clean) & set(self.against))
        if both:
            raise ValueError(f"`clean` and `against` both name {', '.join(both)}")
        return self


class Sample(Settings):
    """Keep so many rows of a split, chosen by seed and id, whatever the rows' order."""

    op: Literal["sample"] = Field(description="Keep so many rows of each split (not-sampled).")
    limits: dict[str, Annotated[int, Field(ge=1)]] = Field(
        min_length=1,
        description="Rows to keep by split, such as {train: 2000, eval: 300}; splits not named stay"
        " whole.",
    )


Operation = Annotated[
    Normalise | Filter | Validate | Dedupe | Decontaminate | Sample, Field(discriminator="op")
]


class CurateConfig(Config):
    """Settings of `curate`."""

    operations: list[Operation] = Field(
        default=[], description="What is done, in this order; an operation may occur twice."
    )
    split_conflicts: Literal["error", "move", "drop"] = Field(
        default="error",
        description="A group in train and in an evaluation split, before the operations: fail, move"
        " its train rows to the evaluation split, or drop them (group-in-evaluation).",
    )
