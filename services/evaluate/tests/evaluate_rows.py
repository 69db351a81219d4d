"""Examples of a tiny ticket task."""

from __future__ import annotations

import json

from graftline.domain.examples import example, message
from graftline.domain.rows import EXAMPLES, RowWriter

SCHEMA = {
    "type": "object",
    "properties": {
        "intent": {"enum": ["refund", "cancel"]},
        "entities": {
            "type": "object",
            "properties": {"order_id": {"type": ["string", "null"]}},
            "required": ["order_id"],
            "additionalProperties": False,
        },
        "urgent": {"type": "boolean"},
    },
    "required": ["intent", "entities", "urgent"],
    "additionalProperties": False,
}
SYSTEM = "Give JSON."
ANSWER = '{"intent": "refund", "entities": {"order_id": "ORD-001"}, "urgent": false}'


def gold(intent, order_id, urgent):
    value = {"intent": intent, "entities": {"order_id": order_id}, "urgent": urgent}
    return json.dumps(value)


def row(text, answer, split="eval", system=SYSTEM):
    messages = [message("system", system)] if system else []
    messages += [message("user", text), message("assistant", answer)]
    return example(messages=messages, split=split, group=text, task="tickets")


def make_rows(count=12, split="eval"):
    rows = []
    for index in range(count):
        intent = "refund" if index % 3 else "cancel"
        order = f"ORD-{index % 4:03d}" if index % 2 else None
        text = f"{split}: {'please ' * (index % 4)}{intent} {order or 'it'} #{index}"
        rows.append(row(text, gold(intent, order, index % 4 == 0), split))
    return rows


def write_examples(folder, rows):
    folder.mkdir(parents=True, exist_ok=True)
    with RowWriter(folder, EXAMPLES) as writer:
        for item in rows:
            writer.write(item)
    return folder
