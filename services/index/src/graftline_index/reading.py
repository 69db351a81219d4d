"""Manifests as the store holds them: one, many, a page, a lineage. Nothing is kept or written."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from graftline.store import Manifests
from graftline.store.failures import translated
from graftline.store.names import STEPS
from graftline_index.questions import Absent, TooMuch, is_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from graftline.store import Lookup, Store
    from graftline.v1.manifest_pb2 import Manifest

_LOG = logging.getLogger(__name__)

# A look-up sends two requests at once; the store's client has 16 connections.
PARALLEL = 8
# What a client takes by default is 4 MiB.
_PAGE_BYTES = 3 << 20
_PAGE_LOOKS = 2_000
_LISTED = 1_000
_LINEAGE_STEPS = 5_000
_LINEAGE_BYTES = 64 << 20

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class Page:
    """A part of a list.

    Args:
        manifests: In order of their keys.
        after: The name that the next page begins after; empty if this is the last.
    """

    manifests: list[Manifest]
    after: str


class ManifestReader:
    """Reads a store's manifests, eight at a time, whoever asks."""

    def __init__(self, store: Store) -> None:
        """Use a store."""
        self._store = store
        self._manifests = Manifests(store)
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="graftline-index")

    def close(self) -> None:
        """Begin nothing more; what is under way is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def look_up(self, key: str) -> Lookup:
        """Give what the store holds under a key; its manifest is there.

        Raises:
            Absent: There is no manifest, or none that can be read.
            GraftlineError: The store cannot be read.
        """
        found = await self._do(self._manifests.lookup, key)
        if found.manifest is None:
            unreadable = "its manifest cannot be read, so that the next run builds it again"
            why = "the store holds no manifest" if found.problem == "absent" else unreadable
            raise Absent(f"key {key}: {why}")
        return found

    async def present(self, keys: Sequence[str]) -> list[str]:
        """Give those keys that have a complete artifact, in order.

        Raises:
            GraftlineError: The store cannot be read.
        """
        found = await self._each(self._manifests.lookup, keys)
        return [key for key, lookup in zip(keys, found, strict=True) if not lookup.problem]

    async def lineage(self, key: str) -> list[Manifest]:
        """Give a manifest, then all that it was made from, nearest first, each once.

        A manifest that is gone or cannot be read is left out: what names it is not.

        Raises:
            Absent: The first has no manifest, or none that can be read.
            TooMuch: It has more than 5,000 steps or 64 MiB.
            GraftlineError: The store cannot be read.
        """
        first = (await self.look_up(key)).manifest
        assert first is not None
        found, seen, size = [first], {key}, first.ByteSize()
        level = [first]
        while level:
            inputs = (reference.key for manifest in level for reference in manifest.inputs)
            keys = [name for name in dict.fromkeys(inputs) if name not in seen and is_key(name)]
            seen.update(keys)
            if len(seen) > _LINEAGE_STEPS:
                raise TooMuch(f"key {key}: its lineage has more than {_LINEAGE_STEPS:,} steps")
            level = []
            for start in range(0, len(keys), PARALLEL):
                batch = keys[start : start + PARALLEL]
                for name, manifest in zip(
                    batch, await self._each(self._manifests.read, batch), strict=True
                ):
                    if manifest is None:
                        _LOG.info("lineage of %s: no manifest that can be read of %s", key, name)
                        continue
                    level.append(manifest)
                    size += manifest.ByteSize()
                if size > _LINEAGE_BYTES:
                    raise TooMuch(f"key {key}: its lineage has more than {_LINEAGE_BYTES:,} bytes")
            found += level
        return found

    async def page(self, after: str, size: int, stages: frozenset[str]) -> Page:
        """List manifests in order of their keys, whatever became of their blobs.

        A page may be shorter than asked for, even empty, and not be the last: it ends after 3 MiB,
        or when 2,000 steps have been looked at.

        Args:
            after: Begin after this name.
            size: At most so many.
            stages: Only these; all if empty.

        Raises:
            GraftlineError: The store cannot be read.
        """
        found: list[Manifest] = []
        bytes_found = looked = 0
        at_once = _LISTED if stages else min(_LISTED, size + PARALLEL)
        is_more = True
        while is_more:
            names, is_more = await self._do(_steps_after, self._store, after, at_once)
            for start in range(0, len(names), PARALLEL):
                if looked >= _PAGE_LOOKS:
                    return Page(found, after)
                batch = names[start : start + PARALLEL]
                looked += len(batch)
                for name, manifest in zip(
                    batch, await self._each(self._read_if_key, batch), strict=True
                ):
                    if manifest is not None and (not stages or manifest.stage in stages):
                        bytes_found += manifest.ByteSize()
                        if found and bytes_found > _PAGE_BYTES:
                            return Page(found, after)
                        found.append(manifest)
                    after = name
                    if len(found) == size:
                        return Page(found, after if is_more or name != names[-1] else "")
        return Page(found, "")

    def _read_if_key(self, name: str) -> Manifest | None:
        return self._manifests.read(name) if is_key(name) else None

    async def _each(self, work: Callable[[S], T], items: Sequence[S]) -> list[T]:
        """Apply a function to items, eight at a time, so that others have their turns between."""
        results: list[T] = []
        for start in range(0, len(items), PARALLEL):
            batch = items[start : start + PARALLEL]
            results += await asyncio.gather(*(self._do(work, item) for item in batch))
        return results

    async def _do(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


def _steps_after(store: Store, after: str, limit: int) -> tuple[list[str], bool]:
    """Give the names of steps that have anything in the store, and whether there are more.

    One listing by S3 itself, which sees a step as one name, however many blobs it has.
    """
    # "0" comes after "/": all that is below the step that was last is before it.
    start = {"StartAfter": store.full_name(f"{STEPS}{after}0")} if after else {}
    prefix = store.full_name(STEPS)
    with translated("list steps", store.place):
        answer = store.client.list_objects_v2(
            Bucket=store.bucket, Prefix=prefix, Delimiter="/", MaxKeys=limit, **start
        )
    names = [item["Prefix"][len(prefix) : -1] for item in answer.get("CommonPrefixes", ())]
    return names, bool(answer.get("IsTruncated")) and bool(names)
