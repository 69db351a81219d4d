"""What a message is about, and the labels that follow from it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

Intent = Literal["refund", "cancel", "billing", "tech_support", "shipping", "other"]
Priority = Literal["low", "medium", "high"]

INTENTS: tuple[Intent, ...] = get_args(Intent)
PRIORITIES: tuple[Priority, ...] = get_args(Priority)

CLARIFYING_QUESTIONS: dict[Intent, str] = {
    "refund": "Which order should be refunded? Please send the order number (ORD-#####).",
    "cancel": "Which order should be cancelled? Please send the order number (ORD-#####).",
    "billing": "Which order was charged? Please send the order number (ORD-#####).",
    "shipping": "Which order is being delivered? Please send the order number (ORD-#####).",
}
"""What is asked when the order id is missing; intents that are not here need none."""


@dataclass(frozen=True)
class Facts:
    """All that decides a message's labels.

    Args:
        intent: Of the first request.
        priority: Told by a phrase in the message.
        order_id: `ORD-#####`, if the message names it.
        product: The product's name, if the message names it.
        second_intent: Of a second request, if there is one; it changes no label.
    """

    intent: Intent
    priority: Priority
    order_id: str | None
    product: str | None
    second_intent: Intent | None = None


def label(facts: Facts) -> dict[str, Any]:
    """Give the ticket, its keys in the order in which they are to be written."""
    missing = facts.order_id is None and facts.intent in CLARIFYING_QUESTIONS
    return {
        "intent": facts.intent,
        "priority": facts.priority,
        "entities": {"order_id": facts.order_id, "product": facts.product},
        "needs_clarification": missing,
        "clarifying_question": CLARIFYING_QUESTIONS[facts.intent] if missing else None,
    }


def label_text(facts: Facts) -> str:
    """Give the ticket as the one JSON text that the model is to write."""
    return json.dumps(label(facts), ensure_ascii=False, separators=(", ", ": "))
