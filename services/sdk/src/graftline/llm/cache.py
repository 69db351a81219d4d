"""Answers that are kept: what is there is never asked again.

Kept is what the model said, by the request's key, as canonical JSON; how it is understood is
worked out anew each time. The name of the account that paid for it stands beside it. Usable answers
are in one namespace, the others in a second one: they are not paid for again either, but a usable
answer can still take their place (`retry_unusable`).
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from graftline.canonical import canonical_json
from graftline.llm.wire import Said, count

if TYPE_CHECKING:
    from graftline.context import Context

USABLE = "llm"
UNUSABLE = "llm-unusable"

_THREADS = 8
_CLOSE_S = 20.0


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


@dataclass(frozen=True)
class Kept:
    """What a model said, and the name of the account that paid for it, if it has one."""

    said: Said
    paid_by: str = ""


class KeptAnswers:
    """The cache as an event loop uses it: threads wait for the store.

    Args:
        cache: Where answers are kept; nowhere if not given.
    """

    def __init__(self, cache: AnswerCache | None) -> None:
        """Begin with idle threads."""
        self._cache = cache
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="llm-cache")
        self._puts: set[asyncio.Future[None]] = set()

    async def find(self, key: str) -> tuple[str, Kept] | None:
        """Find what is kept for a request, and in which namespace."""
        cache = self._cache
        if cache is None:
            return None

        def look_up() -> tuple[str, Kept] | None:
            for namespace in (USABLE, UNUSABLE):
                record = cache.get(namespace, key)
                kept = unpack(record) if record is not None else None
                if kept is not None:
                    return namespace, kept
            return None

        return await asyncio.get_running_loop().run_in_executor(self._threads, look_up)

    async def keep(self, namespace: str, key: str, kept: Kept, model: str) -> None:
        """Keep an answer; it is in the store when this returns.

        It is paid for: whoever stops waiting does not stop it.
        """
        if self._cache is not None:
            record, loop = pack(kept, model), asyncio.get_running_loop()
            put = loop.run_in_executor(self._threads, self._cache.put, namespace, key, record)
            self._puts.add(put)
            put.add_done_callback(self._puts.discard)
            await asyncio.shield(put)

    async def close(self) -> int:
        """Wait for what is being kept, though not for ever; say how many answers are lost."""
        late: set[asyncio.Future[None]] = set()
        if self._puts:
            _, late = await asyncio.wait(self._puts, timeout=_CLOSE_S)
        for put in late:
            put.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        return len(late)


def pack(kept: Kept, model: str) -> bytes:
    """Spell what a model said for keeping."""
    payer = {"paid_by": kept.paid_by} if kept.paid_by else {}
    return canonical_json({**asdict(kept.said), "model": model, **payer}).encode()


def unpack(record: bytes) -> Kept | None:
    """Read what was kept; nothing where it cannot be read (it is then asked again)."""
    try:
        value = json.loads(record)
        text, finish, payer = value["text"], value["finish"], value.get("paid_by", "")
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(text, str) or finish not in ("stop", "length", "refused", "content-filter"):
        return None
    said = Said(text, finish, count(value.get("input_tokens")), count(value.get("output_tokens")))
    return Kept(said, str(payer))
