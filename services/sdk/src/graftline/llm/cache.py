"""Answers that are kept: what is there is never asked again.

Kept is what the model said, by the request's key, as canonical JSON; how it is understood is
worked out anew each time. Usable answers are in one namespace, the others in a second one: they
are not paid for again either, but a usable answer can still take their place (`retry_unusable`).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from graftline.canonical import canonical_json
from graftline.llm.wire import Said, count

if TYPE_CHECKING:
    from graftline.context import Context

USABLE = "llm"
UNUSABLE = "llm-unusable"


class AnswerCache(Protocol):
    """Where answers are kept; called from several threads at once."""

    def get(self, namespace: str, key: str) -> bytes | None:
        """Give what is kept, or nothing."""

    def put(self, namespace: str, key: str, value: bytes) -> None:
        """Keep a value; the first one stays."""


class VaultCache:
    """The store's cache, through a stage's context."""

    def __init__(self, ctx: Context[Any]) -> None:
        """Use a running stage's context."""
        self._ctx = ctx

    def get(self, namespace: str, key: str) -> bytes | None:
        """Give what is kept, or nothing."""
        return self._ctx.cache_get(namespace, key)

    def put(self, namespace: str, key: str, value: bytes) -> None:
        """Keep a value; the first one stays."""
        self._ctx.cache_put(namespace, key, value)


def pack(said: Said, model: str) -> bytes:
    """Spell what a model said for keeping."""
    return canonical_json({**asdict(said), "model": model}).encode()


def unpack(record: bytes) -> Said | None:
    """Read what was kept; nothing where it cannot be read (it is then asked again)."""
    try:
        value = json.loads(record)
        text, finish = value["text"], value["finish"]
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(text, str) or finish not in ("stop", "length", "refused", "content-filter"):
        return None
    return Said(text, finish, count(value.get("input_tokens")), count(value.get("output_tokens")))
