"""What a stage is given and what it gives back: local folders, typed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from graftline.errors import BugError
from graftline.v1 import artifact_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from graftline.v1.manifest_pb2 import Manifest

KIND_PREFIX = "ARTIFACT_KIND_"


def kind_name(kind: artifact_pb2.ArtifactKind) -> str:
    """Give `examples` for `ARTIFACT_KIND_EXAMPLES`."""
    return artifact_pb2.ArtifactKind.Name(kind).removeprefix(KIND_PREFIX).lower()


def kind_value(name: str) -> artifact_pb2.ArtifactKind:
    """Give `ARTIFACT_KIND_EXAMPLES` for `examples`.

    Raises:
        ValueError: There is no such kind.
    """
    value = artifact_pb2.ArtifactKind.Value(KIND_PREFIX + name.upper())
    return cast("artifact_pb2.ArtifactKind", value)


@dataclass(frozen=True)
class Port:
    """A named input or output of a stage.

    Args:
        name: Its name in recipes (`examples`).
        kinds: Names of the artifact kinds that it takes or gives.
        optional: An input that may be left out, or an output that may not be made.
        repeated: An input that takes any number of artifacts.
        help: One line for the catalog.
        manifest_only: An input of which only the manifest is read; its folder stays empty.
        files: An input of which only the files that match one of these patterns (`*.json`) are
            fetched; all if empty.
    """

    name: str
    kinds: tuple[str, ...]
    optional: bool = False
    repeated: bool = False
    help: str = ""
    manifest_only: bool = False
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Input:
    """One artifact that a step reads.

    Args:
        path: A local, read-only folder with its files.
        kind: Its kind's name.
        rows: Its row count, where the kind has rows.
        step: The name of the step that made it.
        key: That step's key.
        manifest: That step's manifest.
    """

    path: Path
    kind: str
    rows: int | None
    step: str
    key: str
    manifest: Manifest


@dataclass(frozen=True)
class Inputs:
    """All that a step reads: artifacts by port, and sources by the setting that names them."""

    ports: Mapping[str, tuple[Input, ...]]
    sources: Mapping[str, Path] = field(default_factory=dict)

    def one(self, port: str) -> Input:
        """Give the single artifact of a required port."""
        found = self.ports.get(port, ())
        if len(found) != 1:
            raise BugError(f"port '{port}' holds {len(found)} artifacts where one is required")
        return found[0]

    def maybe(self, port: str) -> Input | None:
        """Give the artifact of an optional port, or nothing."""
        return self.one(port) if self.ports.get(port) else None

    def many(self, port: str) -> tuple[Input, ...]:
        """Give the artifacts of a repeated port, in the recipe's order."""
        return self.ports.get(port, ())

    def source(self, setting: str) -> Path | None:
        """Give the local file or folder of a source, or nothing if the stage fetches it itself.

        Local paths, `s3://` and `package://` are made local by the runner; `hf://` is not: the
        stage downloads it with the Hub's own library, at the revision that the key holds.
        """
        return self.sources.get(setting)


@dataclass(frozen=True)
class Output:
    """One artifact that a step made, in a folder that `ctx.output(port)` gave.

    Args:
        path: The folder.
        rows: Its row count; nothing where the kind has no rows.
        kind: Its kind's name, needed only where the port gives more than one.
    """

    path: Path
    rows: int | None = None
    kind: str = ""


@dataclass(frozen=True)
class Result:
    """What a stage returns.

    Args:
        outputs: By port.
        rows_in: Rows read, for stages that read rows.
        rows_out: Rows kept.
        rejected: Rows refused, by reason; `rows_in = rows_out + sum(rejected)` where the stage
            says that it conserves rows.
        base_model: `name@revision` of the base model that the outputs depend on.
        figures: Final values of named figures, for the manifest and the report.
        input_tokens: Tokens read by a model, if it counts them.
        output_tokens: Tokens written by a model, if it counts them.
        gpu_seconds: GPU time, if a GPU was used.
        usd: Money spent on providers, if known.
    """

    outputs: Mapping[str, Output]
    rows_in: int | None = None
    rows_out: int | None = None
    rejected: Mapping[str, int] = field(default_factory=dict)
    base_model: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    input_tokens: int | None = None
    output_tokens: int | None = None
    gpu_seconds: float | None = None
    usd: float | None = None
