"""A row as the judge sees it: a question, an answer, and the source that they came from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json

if TYPE_CHECKING:
    from graftline_judge.sources import Sources


@dataclass(frozen=True)
class Pair:
    """What is judged.

    Args:
        question: The last user's text; empty if there is none.
        answer: The assistant's text after it; empty if there is none.
        source: The text that both came from; empty if it is not known.
    """

    question: str
    answer: str
    source: str

    @property
    def lack(self) -> tuple[str, str] | None:
        """Give reason and detail why a model cannot judge it, or nothing."""
        if not self.question.strip():
            return "no-question", "the row has no user's text"
        if not self.answer.strip():
            return "no-answer", "the row does not end with an assistant's text"
        if not self.source.strip():
            return "no-source", "neither meta.source_text nor the input 'chunks' has its source"
        return None


def pair_of(row: dict[str, Any], sources: Sources) -> Pair:
    """Read a row of EXAMPLES; its own `meta.source_text` goes before the chunks of its parents."""
    messages = row["messages"]
    answer = messages[-1] if messages and messages[-1]["role"] == "assistant" else None
    source = meta_of(row).get("source_text")
    if not isinstance(source, str) or not source.strip():
        source = sources.text_of(row["parents"])
    return Pair(question_of(row), (answer or {}).get("content") or "", source)


def question_of(row: dict[str, Any]) -> str:
    """Give the last user's text; empty if there is none."""
    asked = (item["content"] for item in reversed(row["messages"]) if item["role"] == "user")
    return next(asked, None) or ""


def meta_of(row: dict[str, Any]) -> dict[str, Any]:
    """Read a row's `meta`."""
    meta: dict[str, Any] = json.loads(row["meta"] or "{}")
    return meta


def with_judgement(row: dict[str, Any], judgement: dict[str, Any]) -> dict[str, Any]:
    """Give the row with its judgement; one that it had before is replaced."""
    return {**row, "meta": canonical_json({**meta_of(row), "judgement": judgement})}
