"""Settings of the `evaluate` stage."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from graftline.config import Config, Runtime, Settings

FORGETTING = "forgetting"
"""The forgetting probe's figures stand under this name where those of a split would."""


class JsonTask(Settings):
    """Score answers that are to be one JSON value."""

    kind: Literal["json_task"] = Field(description="This scorer.")
    answer_schema: dict[str, Any] = Field(
        alias="schema",
        description="JSON Schema of the answer: draft 2020-12, or draft 7 if its `$schema` says "
        "so. `format` is not checked, and nothing is fetched.",
    )
    intent_field: str | None = Field(
        default="intent",
        description="Path of the field whose equality is the intent accuracy; null for none.",
    )
    entity_fields: list[str] = Field(
        default=["entities"],
        description="Paths of the entities, keys joined by dots, `*` for any key. A value counts "
        "as one (path, value) pair, a list as one for each item, an object as all the leaves "
        "below it; null and absent fields are no entities.",
    )

    @field_validator("answer_schema")
    @classmethod
    def _schema_is_valid(cls, value: dict[str, Any]) -> dict[str, Any]:
        from graftline_evaluate.schemas import check_schema

        check_schema(value)
        return value

    @model_validator(mode="after")
    def _paths_are_whole(self) -> Self:
        paths = [*self.entity_fields, *([] if self.intent_field is None else [self.intent_field])]
        for path in paths:
            if not all(path.split(".")):
                raise ValueError(f"'{path}' is no path: keys joined by single dots are")
        if self.intent_field is not None and "*" in self.intent_field.split("."):
            raise ValueError(f"intent_field '{self.intent_field}': '*' is for entity_fields only")
        return self


class QuestionAnswering(Settings):
    """Score free-text answers against a reference, and the reference by its probability."""

    kind: Literal["qa"] = Field(description="This scorer.")
    low_overlap: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="An answer with a lower token F1 is a failure, `low-overlap`. It decides what "
        "rows are called, and no metric.",
    )


Scorer = Annotated[JsonTask | QuestionAnswering, Field(discriminator="kind")]


class Decoding(Settings):
    """How answers are decoded: greedily, without penalties, alike for baseline and adapted.

    What can change a token is here, not in the runtime settings: in a batch of another size or
    in another type, sums round otherwise, and a near tie may fall otherwise.
    """

    max_new_tokens: int = Field(default=256, ge=1, description="Longest answer, in tokens.")
    dtype: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="Type of weights and activations. float32 for CPUs; bfloat16 for GPUs and "
        "for CPUs that multiply it natively (others are slower with it).",
    )
    batch_rows: int = Field(
        default=64, ge=1, description="Rows decoded together: the unit that is kept on a restart."
    )


class FewShot(Settings):
    """The variant `few_shot`: the same task with examples in its prompt, and the schema if any."""

    use: Literal["baseline", "always", "never"] = Field(
        default="baseline",
        description="For the baseline only (so that the base is not handicapped), always, never.",
    )
    rows: int = Field(
        default=3, ge=0, le=64, description="Examples shown, chosen from the train split."
    )


class Forgetting(Settings):
    """The forgetting probe: the perplexity of texts that have nothing to do with the task."""

    use: bool = Field(
        default=False,
        description="Measure `forgetting_perplexity`: how well the model still predicts general "
        "texts. Give it to baseline and adapted alike.",
    )
    texts: list[Annotated[str, Field(pattern=r"\S")]] = Field(
        default=[],
        max_length=1000,
        description="Plain texts to use; of none, 40 that come with the stage are taken: "
        "paragraphs, questions and answers of general knowledge, in English.",
    )

    @model_validator(mode="after")
    def _texts_are_used(self) -> Self:
        if self.texts and not self.use:
            raise ValueError("texts are given, but use is false: set use to true as well")
        return self


class EvaluateConfig(Config):
    """What is evaluated, and how it is scored."""

    splits: list[str] = Field(
        default=["eval", "ood"],
        min_length=1,
        description="Splits to evaluate, those of them that are present.",
    )
    max_rows: int | None = Field(
        default=None,
        ge=1,
        description="Rows of each split; of more, a fixed choice by id is taken. Null for all.",
    )
    scorer: Scorer = Field(
        description="How answers are scored: `kind: json_task` for answers that are to be JSON, "
        "`kind: qa` for free text."
    )
    decoding: Decoding = Field(default=Decoding(), description="How answers are decoded.")
    few_shot: FewShot = Field(default=FewShot(), description="The variant `few_shot`.")
    forgetting: Forgetting = Field(default=Forgetting(), description="The forgetting probe.")
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="Level of the confidence intervals."
    )
    bootstrap_samples: int = Field(
        default=2000, ge=100, le=100_000, description="Resamplings behind bootstrap intervals."
    )

    @model_validator(mode="after")
    def _split_is_no_probe(self) -> Self:
        if self.forgetting.use and FORGETTING in self.splits:
            raise ValueError(
                f"splits: '{FORGETTING}' is what the forgetting probe's figures are called; "
                "rename that split, or set forgetting.use to false"
            )
        return self


class EvaluateRuntime(Runtime):
    """Where it is computed."""

    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="`cpu`, `cuda`, `cuda:1`, or `auto`: a GPU if there is one.",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        description="CPU threads of one matrix product; null for torch's own choice.",
    )
