"""Settings of `judge`."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from graftline.config import Config, Runtime, Settings
from graftline.llm.config import LlmConfig, LlmRuntime

JUDGE_PROMPT = """\
Judge the answer to the question by the source alone, not by what you know. First list the issues \
that you find, each with its severity (low, medium or high) and one short sentence; none if there \
are none. Then give three whole numbers from 0 (worthless) to 10 (perfect):
- factual_accuracy: is everything in the answer stated or clearly implied by the source?
- completeness: does the answer say all that the question asks for and the source holds?
- consistency: do question, answer and source fit together, without contradiction?
Last give a recommendation in one short sentence.
"""

PREFERENCE_PROMPT = """\
Two answers to the same question are given, A and B. Decide which one is better: more correct \
first, then more complete, then clearer. Their order and their length mean nothing. If neither is \
better, say so.
"""

CONTEXT_PATTERNS = [
    r"\b(this|the|above|following|given|provided) (passage|excerpt|snippet|chunk)\b",
    r"\b(given|provided|above|following|preceding)"
    r" (text|document|context|article|paragraph|section)\b",
    r"\b(text|document|context|article|paragraph|section|passage) (above|below|provided|given)\b",
    r"\b(according to|based on|mentioned in|described in|discussed in|stated in|as per|from)"
    r" (this|the) (text|document|context|article|paragraph|section)\b",
    r"\b(does|do|did|is|what) (this|the) (text|article|paragraph|author)\b",
]

REQUEST_WORDS = [
    *("what", "which", "who", "whom", "whose", "when", "where", "why", "how", "can", "could"),
    *("is", "are", "do", "does", "did", "should", "would", "will", "has", "have", "may", "must"),
    *("calculate", "compare", "define", "describe", "explain", "find", "give", "identify", "list"),
    *("name", "outline", "provide", "show", "state", "summarise", "summarize", "tell", "write"),
]

_FOR_BOTH = ("kind", "request")
_FOR_PREFERENCE = ("preference",)

MOST_ISSUES = 4
"""How many issues a judgement may list if nothing else is said."""

Score = Annotated[float, Field(ge=0, le=10)]
Weight = Annotated[float, Field(ge=0, le=1)]


class Weights(Settings):
    """What each score counts in `overall`; together they are 1."""

    factual_accuracy: Weight = Field(default=0.5, description="Weight of factual accuracy.")
    completeness: Weight = Field(default=0.3, description="Weight of completeness.")
    consistency: Weight = Field(default=0.2, description="Weight of consistency.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        together = self.factual_accuracy + self.completeness + self.consistency
        if abs(together - 1) > 1e-9:
            raise ValueError(f"the weights must add up to 1, and add up to {together:g}")
        return self


class Limits(Settings):
    """Where a verdict begins; what neither passes nor fails needs review."""

    pass_overall: Score = Field(default=8.0, description="PASS needs at least this overall,")
    pass_accuracy: Score = Field(default=8.0, description="and at least this factual accuracy.")
    fail_overall: Score = Field(default=6.0, description="FAIL is anything below this overall,")
    fail_accuracy: Score = Field(default=5.0, description="or below this factual accuracy.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("overall", "accuracy"):
            low, high = getattr(self, f"fail_{name}"), getattr(self, f"pass_{name}")
            if low > high:
                raise ValueError(f"fail_{name} ({low:g}) must not be above pass_{name} ({high:g})")
        return self


class Grounding(Settings):
    """Does the answer use the source's words and numbers?"""

    at_least: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the answer's words (that the question does not hold) to be found in"
        " the source.",
    )
    numbers: bool = Field(
        default=True, description="Whether every number must stand in the source or the question."
    )


class Answerable(Settings):
    """Is it a question, and one that is understood without the source beside it?"""

    request_words: list[str] = Field(
        default=REQUEST_WORDS,
        description="Words that begin a question or request without a question mark.",
    )
    context_patterns: list[str] = Field(
        default=CONTEXT_PATTERNS,
        description="Regular expressions (case ignored) of questions that point at a text which the"
        " reader does not see.",
    )

    @model_validator(mode="after")
    def _compile(self) -> Self:
        for pattern in self.context_patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"'{pattern}' is no regular expression: {error}") from error
        return self


class Duplicates(Settings):
    """Is a question nearly one that came before?"""

    similarity: float = Field(
        default=0.7,
        ge=0.5,
        le=1,
        description="Share of common 3-character pieces from which two questions are one; those"
        " near 0.5 are not all found.",
    )


class Language(Settings):
    """Are question and answer in the source's language?"""

    confidence: float = Field(
        default=0.9, ge=0, le=1, description="Probability from which a language counts as known."
    )
    min_letters: int = Field(
        default=20, ge=1, description="Letters below which nothing is said of a text's language."
    )


class Length(Settings):
    """Are question and answer of a sensible length, in characters?"""

    question_min: int = Field(default=8, ge=0, description="Of a question, at least.")
    question_max: int = Field(default=500, ge=1, description="Of a question, at most.")
    answer_min: int = Field(default=1, ge=0, description="Of an answer, at least.")
    answer_max: int = Field(default=4000, ge=1, description="Of an answer, at most.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("question", "answer"):
            least, most = getattr(self, f"{name}_min"), getattr(self, f"{name}_max")
            if least > most:
                raise ValueError(f"{name}_min ({least}) must not be above {name}_max ({most})")
        return self


class Calibration(Settings):
    """Is the judge worth anything? Known-wrong answers show it."""

    rows: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Rows (a fixed choice by id) whose question is judged a second time, with the"
        " answer of another row: the judge should tell the two apart. 0 leaves it out.",
    )


class Preference(Settings):
    """How two models' answers are compared."""

    baseline_variant: str = Field(
        default="plain",
        min_length=1,
        description="Which of the baseline's variants (plain, few_shot) the adapted model's"
        " plain answers are compared with.",
    )
    prompt: str = Field(
        default=PREFERENCE_PROMPT,
        min_length=1,
        description="The instruction. {source} {question} {reference} {answer_a} {answer_b} stand"
        " for the row's texts; what has no {answer_a} gets those there are above it.",
    )


class JudgeConfig(Config):
    """What decides the scores."""

    kind: Literal["scores", "preference"] = Field(
        default="scores",
        description="scores: examples are scored against their sources. preference: two"
        " evaluations' answers to the same questions are compared.",
    )
    request: LlmConfig = Field(description="Which model judges, and how it is asked.")
    prompt: str = Field(
        default=JUDGE_PROMPT,
        min_length=1,
        description="The instruction. {source} {question} {answer} stand for the row's texts; what"
        " has no {answer} gets all three above it.",
    )
    max_issues: int = Field(
        default=MOST_ISSUES,
        ge=0,
        le=20,
        description="Most issues that one judgement lists; 0 for none. Small models fill their"
        " answers with them, and run out of tokens before they come to the scores.",
    )
    max_remark: int | None = Field(
        default=None,
        ge=1,
        le=4000,
        description="Most characters of an issue's text and of the recommendation, where the server"
        " minds `maxLength`; null sends no limit. For models that do not come to an end.",
    )
    weights: Weights = Field(default=Weights(), description="What each score counts in `overall`.")
    limits: Limits = Field(default=Limits(), description="Where PASS begins and FAIL ends.")
    grounding: Grounding = Field(default=Grounding(), description="Validator: answer in source.")
    answerable: Answerable = Field(
        default=Answerable(), description="Validator: a question that stands by itself."
    )
    duplicates: Duplicates = Field(
        default=Duplicates(), description="Validator: near duplicates among all rows."
    )
    language: Language = Field(default=Language(), description="Validator: one language.")
    length: Length = Field(default=Length(), description="Validator: length.")
    calibration: Calibration = Field(
        default=Calibration(), description="How well the judge tells true answers from wrong ones."
    )
    preference: Preference = Field(
        default=Preference(), description="For the kind `preference`: what is compared, and how."
    )

    @model_validator(mode="after")
    def _for_one_kind(self) -> Self:
        fields = type(self).model_fields
        for_scores = [name for name in fields if name not in (*_FOR_BOTH, *_FOR_PREFERENCE)]
        others = _FOR_PREFERENCE if self.kind == "scores" else for_scores
        useless = [name for name in others if getattr(self, name) != fields[name].default]
        if useless:
            raise ValueError(f"kind '{self.kind}' has no use for {', '.join(useless)}")
        return self


class JudgeRuntime(Runtime):
    """How the model is reached."""

    llm: LlmRuntime = Field(
        default=LlmRuntime(), description="The servers that answer, how they are asked, budgets."
    )
    max_failed_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Of 64 rows, the share whose requests may fail on the way (time-outs, server"
        " errors) before the step stops, to be gone on with later; what fails is UNJUDGED. One may"
        " fail in any case, unless it is 0.",
    )
