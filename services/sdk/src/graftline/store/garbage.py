"""Removing what no kept run reaches."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from graftline.store.failures import translated
from graftline.store.manifests import Manifests
from graftline.store.names import (
    CACHE,
    PROBE,
    SOURCES,
    STEPS,
    blobs_prefix,
    key_of,
    manifest_name,
    record_name,
    run_prefix,
    source_of,
)
from graftline.store.objects import utc_now
from graftline.store.records import RunRecords
from graftline.store.transfer import PARALLEL_FILES, in_order
from graftline.v1 import plan_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from graftline.store.objects import ObjectInfo, Store
    from graftline.v1.manifest_pb2 import Manifest
    from graftline.v1.plan_pb2 import RunRecord

DEFAULT_GRACE = timedelta(hours=24)
DEFAULT_ABANDONED = timedelta(days=30)


@dataclass
class GcReport:
    """What was, or in a dry run would be, removed.

    Args:
        dry_run: Whether nothing was touched.
        kept_runs: Run records that stay.
        kept_keys: Steps that stay.
        removed_runs: Runs whose records and logs go.
        removed_keys: Steps that go whole.
        removed_sources: Digests of sent sources that go.
        removed_values: How many cached values go.
        objects: How many objects go, in all.
        bytes: Their size.
        uploads: Unfinished multipart uploads that go.
    """

    dry_run: bool
    kept_runs: list[str] = field(default_factory=list)
    kept_keys: list[str] = field(default_factory=list)
    removed_runs: list[str] = field(default_factory=list)
    removed_keys: list[str] = field(default_factory=list)
    removed_sources: list[str] = field(default_factory=list)
    removed_values: int = 0
    objects: int = 0
    bytes: int = 0
    uploads: int = 0


def collect_garbage(
    store: Store,
    *,
    keep_runs: int | None = None,
    since: datetime | None = None,
    dry_run: bool = True,
    grace: timedelta = DEFAULT_GRACE,
    abandoned: timedelta = DEFAULT_ABANDONED,
    cached: timedelta | None = None,
) -> GcReport:
    """Remove steps, blobs, checkpoints, logs and sent sources that no kept run reaches.

    Kept are the keys of kept run records and all that their manifests' inputs lead to. A record
    is kept if it is among the newest `keep_runs`, or began since `since`, or says that its run
    goes on (unless it has said so for longer than `abandoned`); with neither given, all are. What
    is younger than `grace` stays too: it may belong to a run that is not recorded yet. No run names
    what is in the cache (language models' answers): it goes by age alone, and only if an age is
    given.

    Args:
        store: The store.
        keep_runs: How many run records to keep.
        since: Keep runs that began then or later.
        dry_run: Only count.
        grace: How long anything stays at least.
        abandoned: After how long a run that never ended is taken for dead.
        cached: How old a cached value may become; `None` keeps all.

    Raises:
        DataError: A run record cannot be read: what it keeps is not known, nothing is removed.
        GraftlineError: The store cannot be read or written.
    """
    collection = _Collection(store, keep_runs, since, grace, abandoned)
    report = GcReport(dry_run)
    # Listed before the records are read: a step that a later run takes up cannot be in it unseen.
    steps = _grouped(store.list(STEPS), key_of)
    sources = _grouped(store.list(SOURCES), source_of)
    kept, dropped = collection.split_records()
    roots = collection.reach(kept)
    report.kept_runs = [record.run for record in kept]
    report.removed_runs = [record.run for record in dropped]
    doomed: list[ObjectInfo] = []
    manifests: list[ObjectInfo] = []
    for key, items in steps:
        if key in roots:
            report.kept_keys.append(key)
            doomed += collection.orphans(key, roots[key], items)
        elif all(collection.is_old(item) for item in items):
            report.removed_keys.append(key)
            manifests += [item for item in items if item.name == manifest_name(key)]
            doomed += [item for item in items if item.name != manifest_name(key)]
        else:
            report.kept_keys.append(key)
    told = _sources_of(kept, roots)
    for digest, items in sources:
        if digest not in told and all(collection.is_old(item) for item in items):
            report.removed_sources.append(digest)
            doomed += items
    for record in dropped:
        doomed += store.list(run_prefix(record.run))
        doomed += store.list(record_name(record.run))
    doomed += [item for item in store.list(PROBE) if collection.is_old(item)]
    if cached is not None:
        oldest = utc_now() - cached
        values = [item for item in store.list(CACHE) if item.modified < oldest]
        report.removed_values = len(values)
        doomed += values
    report.objects = len(manifests) + len(doomed)
    report.bytes = sum(item.size for item in [*manifests, *doomed])
    uploads = collection.unfinished_uploads()
    report.uploads = len(uploads)
    if not dry_run:
        # A run that began meanwhile may have found a step that was about to go.
        records = collection.records_since(kept, dropped)
        begun = collection.reach(records)
        told = _sources_of(records, begun)
        manifests = [item for item in manifests if key_of(item.name) not in begun]
        doomed = [
            item
            for item in doomed
            if key_of(item.name) not in begun and source_of(item.name) not in told
        ]
        # Manifests first: nobody may find one whose blobs are going.
        store.delete(item.name for item in manifests)
        store.delete(item.name for item in doomed)
        for upload in uploads:
            with translated("end an unfinished upload", store.place):
                store.client.abort_multipart_upload(Bucket=store.bucket, **upload)
    return report


class _Collection:
    def __init__(
        self,
        store: Store,
        keep_runs: int | None,
        since: datetime | None,
        grace: timedelta,
        abandoned: timedelta,
    ) -> None:
        now = utc_now()
        self._store = store
        self._keep_runs = keep_runs
        self._since = since
        self._old = now - grace
        self._abandoned = now - abandoned

    def is_old(self, item: ObjectInfo) -> bool:
        return item.modified < self._old

    def split_records(self) -> tuple[list[RunRecord], list[RunRecord]]:
        """Give the run records that stay and those that go, the newest first."""
        records = RunRecords(self._store)
        written = records.written()
        found = [r for r in in_order(records.load, written, PARALLEL_FILES) if r is not None]
        found.sort(key=lambda r: (r.started_at.ToNanoseconds(), r.run), reverse=True)
        kept: list[RunRecord] = []
        dropped: list[RunRecord] = []
        for position, record in enumerate(found):
            stays = self._stays(position, record, written[record.run])
            (kept if stays else dropped).append(record)
        return kept, dropped

    def records_since(self, *seen: list[RunRecord]) -> list[RunRecord]:
        """Give the run records that were not there before."""
        known = {record.run for records in seen for record in records}
        records = RunRecords(self._store)
        loaded = (records.load(run) for run in sorted(records.written().keys() - known))
        return [record for record in loaded if record is not None]

    def _stays(self, position: int, record: RunRecord, written: datetime) -> bool:
        running = record.state == plan_pb2.RUN_STATE_RUNNING
        if (running and written > self._abandoned) or written > self._old:
            return True
        if self._keep_runs is None and self._since is None:
            return True
        if self._keep_runs is not None and position < self._keep_runs:
            return True
        began = record.started_at.ToDatetime(tzinfo=self._old.tzinfo)
        return self._since is not None and began >= self._since

    def reach(self, records: list[RunRecord]) -> dict[str, Manifest | None]:
        """Give every key that the records lead to, with its manifest where it can be read."""
        manifests = Manifests(self._store)
        reached: dict[str, Manifest | None] = {}
        front = {step.key for record in records for step in record.steps if step.key}
        front |= {request.key for record in records for request in record.requests if request.key}
        while front:
            keys = sorted(front)
            front = set()
            for key, manifest in zip(
                keys, in_order(manifests.read, keys, PARALLEL_FILES), strict=True
            ):
                reached[key] = manifest
                if manifest is not None:
                    front |= {reference.key for reference in manifest.inputs}
            front -= reached.keys()
        return reached

    def orphans(
        self, key: str, manifest: Manifest | None, items: list[ObjectInfo]
    ) -> list[ObjectInfo]:
        """Give what a kept step does not need: all but its manifest and the blobs that it names.

        A step that is not committed keeps all that it has: its checkpoints are what it resumes
        from.
        """
        if manifest is None:
            return []
        blobs = blobs_prefix(key)
        needed = {blobs + blob.sha256 for out in manifest.outputs for blob in out.artifact.blobs}
        needed.add(manifest_name(key))
        return [item for item in items if item.name not in needed and self.is_old(item)]

    def unfinished_uploads(self) -> list[dict[str, str]]:
        """Give multipart uploads that were begun before the grace period and never ended."""
        found = []
        pages = self._store.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._store.bucket, Prefix=self._store.full_name("")
        )
        with translated("list unfinished uploads", self._store.place):
            for page in pages:
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"] < self._old:
                        found.append({"Key": upload["Key"], "UploadId": upload["UploadId"]})
        return found


def _sources_of(records: list[RunRecord], reached: Mapping[str, Manifest | None]) -> set[str]:
    """Give the digests of all sources that runs and steps name."""
    named = [source for record in records for step in record.requests for source in step.sources]
    named += [source for made in reached.values() if made is not None for source in made.sources]
    return {source.fingerprint.removeprefix("sha256:") for source in named}


def _grouped(
    items: Iterable[ObjectInfo], name_of: Callable[[str], str]
) -> list[tuple[str, list[ObjectInfo]]]:
    return [(name, list(group)) for name, group in groupby(items, lambda item: name_of(item.name))]
