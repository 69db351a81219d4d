"""The layouts `alpaca` and `prompt-completion`."""

from __future__ import annotations

from typing import Any

from graftline_ingest.drafts import Draft, Refused, chat, text_of
from graftline_ingest.layouts.conversations import from_messages

_COMPLETIONS = ("completion", "response")


def from_alpaca(record: dict[str, Any]) -> Draft:
    """Read `{"instruction", "input", "output", "system", "history"}`.

    Raises:
        Refused: Instruction or output are missing, or the history is no list of pairs.
    """
    text = text_of(record, "instruction")
    more = record.get("input")
    if isinstance(more, str) and more.strip():
        text = f"{text}\n{more}"
    messages = chat(text, text_of(record, "output"))
    history = record.get("history") or []
    if not isinstance(history, list):
        raise Refused("bad-history", "field 'history' is no list")
    before: list[dict[str, Any]] = []
    for pair in history:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(x) is str for x in pair)):
            raise Refused("bad-history", "field 'history' is no list of [question, answer]")
        before += chat(pair[0], pair[1])
    system = record.get("system")
    if isinstance(system, str) and system.strip():
        before.insert(0, {"role": "system", "content": system})
    return Draft(before + messages)


def from_prompt_completion(record: dict[str, Any]) -> Draft:
    """Read `{"prompt", "completion"}` (or `response`), as texts or as lists of messages.

    Raises:
        Refused: One of them is missing.
    """
    field = next((name for name in _COMPLETIONS if name in record), _COMPLETIONS[0])
    prompt, completion = record.get("prompt"), record.get(field)
    if isinstance(prompt, list) and isinstance(completion, list):
        return from_messages({"messages": prompt + completion, "tools": record.get("tools")})
    system = record.get("system")
    return Draft(
        chat(
            text_of(record, "prompt"),
            text_of(record, field),
            system if isinstance(system, str) else "",
        )
    )
