"""Settings of `generate`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graftline.config import Config, Settings

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


Task = SupportTickets
"""One of the tasks, told apart by `kind`; a second one makes this a discriminated union."""


class GenerateConfig(Config):
    """What is made."""

    task: Task = Field(description="The task, chosen by its `kind`, and the task's own settings.")
