"""Throws away what no kept run needs, in the store and in the home folder."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from graftline.store import collect_garbage
from graftline_workflows.local_files import LocalFiles

if TYPE_CHECKING:
    from graftline_workflows.home import Home
    from graftline_workflows.session import StoreSession


@dataclass(frozen=True)
class Cleaning:
    """What was, or in a dry run would be, removed.

    Args:
        dry_run: Whether nothing was touched.
        keep_runs: How many runs were to be kept.
        kept_runs: Runs that stay.
        removed_runs: Runs whose records and logs go.
        kept_keys: Steps that stay.
        removed_keys: Steps that go.
        removed_sources: Digests of sources, sent by `graftline submit`, that go.
        removed_answers: How many cached answers of language models go.
        bytes: What that frees in the store.
        local_bytes: What it frees in the home folder; 0 in a dry run.
    """

    dry_run: bool
    keep_runs: int
    kept_runs: tuple[str, ...]
    removed_runs: tuple[str, ...]
    kept_keys: tuple[str, ...]
    removed_keys: tuple[str, ...]
    removed_sources: tuple[str, ...]
    removed_answers: int
    bytes: int
    local_bytes: int

    def as_json(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return asdict(self)


def clean(
    session: StoreSession,
    home: Home,
    *,
    keep_runs: int,
    grace: timedelta,
    answers: timedelta | None,
    dry_run: bool,
) -> Cleaning:
    """Remove what only older runs need.

    Args:
        session: The store.
        home: The home folder; the caller holds its lock.
        keep_runs: How many runs to keep, the newest.
        grace: How long anything in the store stays at least: it may belong to a run, elsewhere,
            that is not recorded yet.
        answers: How old a cached answer may become; `None` keeps all.
        dry_run: Only count.

    Raises:
        GraftlineError: The store cannot be read or written.
    """
    report = collect_garbage(
        session.store, keep_runs=keep_runs, grace=grace, dry_run=dry_run, cached=answers
    )
    local_bytes = 0
    if not dry_run:
        for run in report.removed_runs:
            shutil.rmtree(home.path / "runs" / run, ignore_errors=True)
        local_bytes = LocalFiles(home.path / "files", session).drop_unused()
        if report.objects:
            session.give_back_room()
    return Cleaning(
        dry_run,
        keep_runs,
        tuple(report.kept_runs),
        tuple(report.removed_runs),
        tuple(report.kept_keys),
        tuple(report.removed_keys),
        tuple(report.removed_sources),
        report.removed_values,
        report.bytes,
        local_bytes,
    )
