"""What a running stage may ask for besides its config and inputs.

`checkpoint`, `restore` and `cache` are the only ways to the store while a stage runs; a unit is a
checkpoint of its own.

A stage that may run in ranks cuts its work into units by a size of its own, whatever the number of
ranks, does those that `units` gives, commits each, and makes its outputs of what `gather_units`
brings; where that says no, other ranks still have units to do, and the stage returns nothing.
"""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from graftline.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from graftline.config import Runtime

RuntimeT_co = TypeVar("RuntimeT_co", bound="Runtime", covariant=True)


class Reporter(Protocol):
    """Where progress, log lines and metrics go; it never blocks and never fails."""

    def progress(self, done: int, total: int | None, unit: str) -> None:
        """Say that `done` of `total` units are done."""

    def log(self, text: str, level: str = "info") -> None:
        """Say one line."""

    def metric(self, name: str, value: float, at: int) -> None:
        """Give one point of a curve."""


class Vault(Protocol):
    """A step's own corner of the store."""

    def save_checkpoint(self, name: str, folder: Path) -> None:
        """Keep a folder's files under a name; all of them or none become visible."""

    def load_checkpoint(self, name: str, folder: Path) -> bool:
        """Put the files kept under a name into a folder, digests verified; False if none."""

    def checkpoints(self) -> set[str]:
        """Give the names under which something is kept."""

    def cache_get(self, namespace: str, key: str) -> bytes | None:
        """Give a cached value, or nothing."""

    def cache_put(self, namespace: str, key: str, value: bytes) -> None:
        """Keep a value; the first writer of a key wins."""


class Context(Generic[RuntimeT_co]):
    """Handed to `run(ctx, config, inputs)`.

    Args:
        step: The step's name in the recipe.
        key: The step's key.
        runtime: The stage's runtime settings.
        seed: The step's seed.
        work: A scratch folder that is gone afterwards.
        reporter: Where progress goes.
        vault: The step's corner of the store.
        rank: Which of `ranks` parallel workers this is, from 0.
        ranks: How many there are.
    """

    def __init__(
        self,
        *,
        step: str,
        key: str,
        runtime: RuntimeT_co,
        seed: int,
        work: Path,
        reporter: Reporter,
        vault: Vault,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """Keep what the runner gives."""
        self.step = step
        self.key = key
        self.runtime = runtime
        self.seed = seed
        self.rank = rank
        self.ranks = ranks
        self._work = work
        self._reporter = reporter
        self._vault = vault
        self._stop = False
        self.lost_units = 0

    @property
    def stopping(self) -> bool:
        """Whether somebody asked this step to stop; a long loop looks here between two units."""
        return self._stop

    def request_stop(self) -> None:
        """Ask the stage to stop at the next unit (the runner calls this on SIGTERM)."""
        self._stop = True

    def raise_if_stopping(self) -> None:
        """Leave the stage if somebody asked it to stop.

        Raises:
            Cancelled: Somebody did.
        """
        if self._stop:
            raise Cancelled("stopped on request")

    def random(self, purpose: str) -> random.Random:
        """Give a generator that depends on the step's seed and the purpose alone."""
        digest = hashlib.sha256(f"{self.seed}:{purpose}".encode()).digest()
        return random.Random(int.from_bytes(digest[:8], "big"))

    def scratch(self, name: str) -> Path:
        """Make and give a scratch folder."""
        folder = self._work / "scratch" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def output(self, port: str) -> Path:
        """Make and give the folder in which an output port's files are to be written."""
        folder = self._work / "outputs" / port
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def progress(self, done: int, total: int | None = None, unit: str = "rows") -> None:
        """Say that `done` of `total` units are done; cheap enough to call for every batch."""
        self._reporter.progress(done, total, unit)

    def log(self, text: str, level: str = "info") -> None:
        """Say one line (`level`: info, warning or error)."""
        self._reporter.log(text, level)

    def metric(self, name: str, value: float, at: int) -> None:
        """Give one point of a curve, such as the loss at an optimiser step."""
        self._reporter.metric(name, value, at)

    def checkpoint(self, name: str, folder: Path) -> None:
        """Keep a folder in the store until the step is committed.

        Atomic: a crash leaves the checkpoint before it. The same name replaces.
        """
        self._vault.save_checkpoint(name, folder)

    def restore(self, name: str, folder: Path) -> bool:
        """Bring a checkpoint back into an empty folder, digests verified; False if none."""
        return self._vault.load_checkpoint(name, folder)

    def units(self, count: int) -> Iterator[int]:
        """Give the units of this rank that nobody has committed yet, in order.

        Args:
            count: How many units the step has, the same for every rank.

        Raises:
            Cancelled: Somebody asked the step to stop.
        """
        done = self._vault.checkpoints()
        for unit in range(self.rank, count, self.ranks):
            if _unit_name(unit) not in done:
                self.raise_if_stopping()
                yield unit

    def units_done(self, count: int) -> int:
        """Count the units that are committed, by whatever rank."""
        done = self._vault.checkpoints()
        return sum(_unit_name(unit) in done for unit in range(count))

    def commit_unit(self, unit: int, folder: Path) -> None:
        """Keep a unit's files until the step is committed; it is never done again."""
        self._vault.save_checkpoint(_unit_name(unit), folder)

    def gather_units(self, count: int, folder: Path) -> bool:
        """Bring the files of all units, unit N's into `folder/N`; False if not all are there.

        False says that other ranks are still at work (or that one of them has just committed the
        whole step): this rank is done, and its stage returns nothing. So it does where units could
        not be read back: `lost_units` counts them, and the runner has them done again.
        """
        if self.units_done(count) < count:
            return False
        self.lost_units = sum(
            not self.restore_unit(unit, folder / str(unit)) for unit in range(count)
        )
        return not self.lost_units

    def restore_unit(self, unit: int, folder: Path) -> bool:
        """Bring a committed unit's files into an empty folder; False if they cannot be read."""
        return self._vault.load_checkpoint(_unit_name(unit), folder)

    def cache_get(self, namespace: str, key: str) -> bytes | None:
        """Read the store-wide cache that outlives steps (LLM answers)."""
        return self._vault.cache_get(namespace, key)

    def cache_put(self, namespace: str, key: str, value: bytes) -> None:
        """Write the store-wide cache; the first writer of a key wins."""
        self._vault.cache_put(namespace, key, value)


def _unit_name(unit: int) -> str:
    return f"unit-{unit:08d}"
