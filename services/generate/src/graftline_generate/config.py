"""Settings of `generate`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graftline.config import Config, Runtime, Settings, SourceUri
from graftline.llm.config import LlmConfig, LlmRuntime

Rows = Annotated[int, Field(ge=0, description="Messages in this split; 0 leaves it out.")]
Messy = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="Share of messages with noise: typos, odd case, no punctuation, signatures, "
        "forwarded and quoted mail, logs, disclaimers.",
    ),
]
OrderId = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="Share of messages that name their order (all intents but tech_support).",
    ),
]
OrderIdTech = Annotated[
    float, Field(ge=0, le=1, description="The same share for tech_support messages.")
]
Product = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="Share of messages that name their product, among those whose template can.",
    ),
]
MultiIntent = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="Share of messages with a second request of another intent; the first counts.",
    ),
]
Injected = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="Share of messages with a planted instruction, which changes no label.",
    ),
]


class TicketSplit(Settings):
    """How many messages one split has, and how hard they are."""

    rows: Rows
    messy: Messy
    order_id: OrderId
    order_id_tech: OrderIdTech
    product: Product
    multi_intent: MultiIntent
    injected: Injected


class TrainTickets(TicketSplit):
    """Messages to learn from."""

    rows: Rows = 6000
    messy: Messy = 0.35
    order_id: OrderId = 0.8
    order_id_tech: OrderIdTech = 0.6
    product: Product = 0.85
    multi_intent: MultiIntent = 0.1
    injected: Injected = 0.05


class EvalTickets(TicketSplit):
    """Harder messages; templates, people and products that train never shows."""

    rows: Rows = 800
    messy: Messy = 0.6
    order_id: OrderId = 0.55
    order_id_tech: OrderIdTech = 0.55
    product: Product = 0.85
    multi_intent: MultiIntent = 0.25
    injected: Injected = 0.15


class OodTickets(TicketSplit):
    """Messages of other registers (chat, calls, forms) about other products."""

    rows: Rows = 400
    messy: Messy = 0.3
    order_id: OrderId = 0.55
    order_id_tech: OrderIdTech = 0.55
    product: Product = 0.85
    multi_intent: MultiIntent = 0.15
    injected: Injected = 0.1


class SupportTickets(Settings):
    """Support messages and the ticket that each of them is, as JSON."""

    kind: Literal["support-tickets"] = Field(description="The task's name.")
    instruction: str = Field(
        default="Extract the support ticket as JSON.",
        description="The system prompt of every example; empty for none.",
    )
    train: TrainTickets = Field(default=TrainTickets(), description="The split `train`.")
    eval: EvalTickets = Field(default=EvalTickets(), description="The split `eval`.")
    ood: OodTickets = Field(default=OodTickets(), description="The split `ood`.")


QA_PROMPT = """\
Write {count} different questions that this text answers, and the answer to each. Each question \
must be understood by somebody who does not see the text. Each answer must be correct and \
complete, and follow from the text alone. Write in the language of the text.
"""


class TrainingPrompt(Settings):
    """One way of asking for pairs, put to every chunk of a document."""

    prompt: str = Field(min_length=1, description="The instruction, as `task.prompt`.")
    num_questions: int = Field(default=3, ge=1, le=50, description="Pairs asked of each chunk.")


class DocumentDefinition(Settings):
    """What is different for one document."""

    training_prompts: list[TrainingPrompt] = Field(
        default=[],
        description="What is asked of each of its chunks; empty: what the task asks of all.",
    )
    model_system_prompt: str | None = Field(
        default=None,
        description="The system prompt of its examples; null: the task's `system_prompt`.",
    )


class QuestionAnswers(Settings):
    """Questions and answers about every chunk, written by a language model."""

    kind: Literal["qa"] = Field(description="The task's name.")
    request: LlmConfig = Field(description="Which model writes the pairs, and how it is asked.")
    questions_per_chunk: int = Field(
        default=3, ge=1, le=50, description="Pairs asked of each chunk; it may give fewer."
    )
    prompt: str = Field(
        default=QA_PROMPT,
        min_length=1,
        description="The instruction. {count} {path} {headings} {text} stand for the pairs asked,"
        " the document's path, the headings above the chunk and its text; what has no {text} gets"
        " them above it.",
    )
    system_prompt: str = Field(
        default="", description="The system prompt of every example; empty for none."
    )
    definitions: dict[str, DocumentDefinition] = Field(
        default={},
        description="What is different for single documents, by path (guide/setup.md) or name,"
        " with or without the ending; goes before what the source `definitions` says.",
    )


Task = Annotated[SupportTickets | QuestionAnswers, Field(discriminator="kind")]
"""One of the tasks, told apart by `kind`."""


class GenerateConfig(Config):
    """What is made."""

    task: Task = Field(description="The task, chosen by its `kind`, and the task's own settings.")
    definitions: SourceUri = Field(
        default="",
        description="A folder with files `<document>-definition.yaml` for the task qa; it may be"
        " the documents' own. Empty for none.",
    )


class GenerateRuntime(Runtime):
    """How the task qa reaches its model."""

    llm: LlmRuntime | None = Field(
        default=None,
        description="The servers that answer, how they are asked, budgets; null for tasks that "
        "ask nobody.",
    )
    max_failed_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Of 64 chunks, the share whose requests may fail on the way (time-outs, server"
        " errors) before the step stops, to be gone on with later; what fails is a reject. One may"
        " fail in any case, unless it is 0.",
    )
