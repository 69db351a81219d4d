"""A row as one question and its answer, in the fields that pipelines for documents exchange.

`ingest` reads them back (layout `qa`): the names here are the names there.
"""

from __future__ import annotations

import json
from typing import Any

_ORIGIN = (
    "source_file",
    "file_name",
    "file_type",
    "chunk_id",
    "chunk_index",
    "chunk_start",
    "chunk_end",
    "source_text",
)
_JUDGEMENT = ("factual_accuracy", "completeness", "consistency", "overall", "verdict")


def question_and_answer(row: dict[str, Any]) -> dict[str, Any] | None:
    """Write a row as `{"question", "answer"}`, with where it is from and what a judge said of it.

    The texts are those of the messages, which `curate` may have changed since; a system message is
    left out. What is not known is no field; the scores of a row that its judge could not judge are
    null.

    Args:
        row: With `messages`, `tools` and `meta` as in `rows.EXAMPLES`.

    Returns:
        Nothing if the row is more, or other, than one question in text and its answer.
    """
    messages = row["messages"]
    turns = messages[1:] if messages[0]["role"] == "system" else messages
    if row["tools"] or [item["role"] for item in turns] != ["user", "assistant"]:
        return None
    question, answer = (item["content"] or "" for item in turns)
    if not question.strip() or not answer.strip() or turns[1]["tool_calls"]:
        return None
    meta = json.loads(row["meta"])
    judgement = meta.get("judgement")
    judged = judgement if isinstance(judgement, dict) else {}
    return {
        "question": question,
        "answer": answer,
        **{name: meta[name] for name in _ORIGIN if meta.get(name) is not None},
        **{name: judged[name] for name in _JUDGEMENT if name in judged},
    }
