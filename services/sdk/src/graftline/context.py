"""What a running stage may ask for besides its config and inputs.

`checkpoint`, `restore` and `cache` are the only ways to the store while a stage runs.
"""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from graftline.errors import Cancelled

if TYPE_CHECKING:
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

    def cache_get(self, namespace: str, key: str) -> bytes | None:
        """Read the store-wide cache that outlives steps (LLM answers)."""
        return self._vault.cache_get(namespace, key)

    def cache_put(self, namespace: str, key: str, value: bytes) -> None:
        """Write the store-wide cache; the first writer of a key wins."""
        self._vault.cache_put(namespace, key, value)
