"""Digests a run's artifacts anew."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from graftline.errors import StoreUnavailable, TransientError
from graftline_workflows.records import run_named

if TYPE_CHECKING:
    from collections.abc import Callable

    from graftline.v1.manifest_pb2 import Manifest
    from graftline_workflows.home import Home
    from graftline_workflows.session import StoreSession


@dataclass(frozen=True)
class Damage:
    """Something that is not as it was committed.

    Args:
        step: The step.
        key: Its key.
        output: Its output; empty if the step itself is not there.
        problem: What is wrong.
    """

    step: str
    key: str
    output: str
    problem: str


@dataclass(frozen=True)
class Verification:
    """What a verification found.

    Args:
        run: The run.
        files: How many files were digested.
        bytes: Their size.
        damages: What is wrong.
    """

    run: str
    files: int
    bytes: int
    damages: tuple[Damage, ...]

    def as_json(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return asdict(self)


def verify_run(
    session: StoreSession, home: Home, run: str, told: Callable[[str, list[Damage]], None]
) -> Verification:
    """Fetch and digest every artifact of a run's steps, one at a time.

    Args:
        session: The store.
        home: Where files are put for the while.
        run: The run; the newest if empty.
        told: Called after each step with what is wrong with it.

    Raises:
        ConfigError: There is no such run.
        StoreUnavailable: The store does not answer.
    """
    record = run_named(session, run)
    damages: list[Damage] = []
    files = size = 0
    for step in record.steps:
        lookup = session.manifests.lookup(step.key)
        found: list[Damage] = []
        if lookup.manifest is None or lookup.problem:
            found.append(Damage(step.step, step.key, "", lookup.problem or "absent"))
        if lookup.manifest is not None:
            found.extend(_damages(session, home, lookup.manifest, step.step))
            blobs = [blob for output in lookup.manifest.outputs for blob in output.artifact.blobs]
            files += len(blobs)
            size += sum(blob.size for blob in blobs)
        told(step.step, found)
        damages.extend(found)
    return Verification(record.run, files, size, tuple(damages))


def _damages(session: StoreSession, home: Home, manifest: Manifest, step: str) -> list[Damage]:
    found = []
    for output in manifest.outputs:
        folder = home.work_folder("verify", step)
        try:
            session.manifests.fetch(manifest.key, output.artifact, folder)
        except StoreUnavailable:
            raise
        except TransientError as error:
            found.append(Damage(step, manifest.key, output.port, error.cause))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return found
