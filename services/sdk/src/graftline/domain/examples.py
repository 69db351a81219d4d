"""Chat examples: how one is made, identified and read."""

from __future__ import annotations

from typing import Any

from graftline.canonical import canonical_json, digest_of

MESSAGE_KEYS = ("role", "content", "name", "tool_call_id", "tool_calls")


def message(role: str, content: str | None, **more: Any) -> dict[str, Any]:
    """Make a message with all of its keys; those not given are null."""
    return {"role": role, "content": content, **dict.fromkeys(MESSAGE_KEYS[2:]), **more}


def compact(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop null keys, as chat templates and exported files want them."""
    return [{key: value for key, value in item.items() if value is not None} for item in messages]


def example(
    *,
    messages: list[dict[str, Any]],
    split: str,
    group: str,
    task: str,
    parents: list[str] | None = None,
    source: dict[str, Any] | None = None,
    tools: list[dict[str, Any]] | None = None,
    meta: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Make a row of `rows.EXAMPLES`; its id depends on messages and tools alone."""
    return {
        "id": example_id(messages, tools),
        "parents": parents or [],
        "source": source,
        "group": group,
        "split": split,
        "task": task,
        "messages": messages,
        "tools": canonical_json(tools) if tools else None,
        "meta": canonical_json(meta or {}),
    }


def example_id(messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None) -> str:
    """Digest what the example says: 32 hexadecimal characters."""
    return digest_of([compact(messages), tools or []])[:32]


def answer(row: dict[str, Any]) -> str:
    """Give the last message's content, which is what the model is to say."""
    return row["messages"][-1]["content"] or ""
