"""Run a stage's function on plain folders, without a store."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json, sha256_text
from graftline.config import parse_settings
from graftline.context import Context
from graftline.ports import Input, Inputs, kind_value
from graftline.v1 import artifact_pb2, manifest_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from graftline.ports import Port, Result
    from graftline.stage import Stage


@dataclass
class RecordedEvents:
    """All that a stage said, in order."""

    progress_points: list[tuple[int, int | None, str]] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    points: list[tuple[str, float, int]] = field(default_factory=list)

    def progress(self, done: int, total: int | None, unit: str) -> None:
        """Keep a progress point."""
        self.progress_points.append((done, total, unit))

    def log(self, text: str, level: str = "info") -> None:
        """Keep a line as (level, text)."""
        self.lines.append((level, text))

    def metric(self, name: str, value: float, at: int) -> None:
        """Keep a metric point."""
        self.points.append((name, value, at))


class FolderVault:
    """Checkpoints and cache in a folder; give two runs the same one to test a resume."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, made if it is missing."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.saved: list[str] = []

    def save_checkpoint(self, name: str, folder: Path) -> None:
        """Copy a folder under a name."""
        target = self.folder / "checkpoints" / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder, target)
        self.saved.append(name)

    def load_checkpoint(self, name: str, folder: Path) -> bool:
        """Copy it back."""
        source = self.folder / "checkpoints" / name
        if not source.is_dir():
            return False
        shutil.copytree(source, folder, dirs_exist_ok=True)
        return True

    def checkpoints(self) -> set[str]:
        """Give the names that something was copied under."""
        return {path.name for path in (self.folder / "checkpoints").glob("*")}

    def cache_get(self, namespace: str, key: str) -> bytes | None:
        """Read a cached value."""
        path = self.folder / "cache" / namespace / key
        return path.read_bytes() if path.is_file() else None

    def cache_put(self, namespace: str, key: str, value: bytes) -> None:
        """Keep a value unless there is one."""
        path = self.folder / "cache" / namespace / key
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(value)


@dataclass(frozen=True)
class StageRun:
    """What a stage returned (nothing: other ranks go on), where its files are, what it said."""

    result: Result | None
    outputs: Mapping[str, Path]
    events: RecordedEvents
    context: Context[Any]

    @property
    def files(self) -> dict[str, bytes]:
        """Every file of every output, by `port/path`: what two runs that agree share."""
        return {
            f"{port}/{path.relative_to(folder).as_posix()}": path.read_bytes()
            for port, folder in self.outputs.items()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def said(self, level: str) -> str:
        """Its log lines of one level."""
        return "\n".join(text for found, text in self.events.lines if found == level)


def input_artifact(
    port: Port,
    path: Path,
    *,
    rows: int | None = None,
    step: str = "",
    config: dict[str, Any] | None = None,
    manifest: manifest_pb2.Manifest | None = None,
) -> Input:
    """Make an `Input` of a folder, with a manifest that says what little is known."""
    kind = port.kinds[0]
    key = sha256_text(f"{port.name}:{path}")
    manifest = manifest or manifest_pb2.Manifest(
        key=key,
        step=step or port.name,
        stage=step or port.name,
        config=canonical_json(config or {}),
        outputs=[
            manifest_pb2.OutputRef(
                port=port.name, artifact=artifact_pb2.Artifact(kind=kind_value(kind), rows=rows)
            )
        ],
    )
    return Input(path, kind, rows, manifest.step, manifest.key, manifest)


def run_stage(
    stage: Stage,
    work: Path,
    *,
    config: dict[str, Any] | None = None,
    inputs: Mapping[str, Path | Input | Sequence[Path | Input]] | None = None,
    sources: Mapping[str, Path] | None = None,
    runtime: dict[str, Any] | None = None,
    seed: int = 0,
    vault: FolderVault | None = None,
    rank: int = 0,
    ranks: int = 1,
    before_run: Any = None,
) -> StageRun:
    """Validate settings and call the stage's function, as the runner does, on local folders.

    Args:
        stage: The stage.
        work: A folder for outputs and scratch.
        config: Its config, defaults left out.
        inputs: A folder, or an `Input`, or several, by port.
        sources: A local file or folder by config setting; the setting itself is filled in.
        runtime: Its runtime settings.
        seed: The step's seed.
        vault: Where checkpoints and the cache live; a new one under `work` if not given.
        rank: Which of `ranks` workers this is.
        ranks: How many share the step; give them the same vault.
        before_run: Called with the context before the stage runs (to ask it to stop, say).

    Raises:
        GraftlineError: Whatever the stage raises.
    """
    sources = sources or {}
    settings = {**{name: str(path) for name, path in sources.items()}, **(config or {})}
    ports = {port.name: port for port in stage.inputs}
    given: dict[str, tuple[Input, ...]] = {}
    for name, value in (inputs or {}).items():
        items = list(value) if isinstance(value, (list, tuple)) else [value]
        given[name] = tuple(
            item if isinstance(item, Input) else input_artifact(ports[name], item)  # type: ignore[arg-type]
            for item in items
        )
    events = RecordedEvents()
    context: Context[Any] = Context(
        step=stage.name,
        key="0" * 64,
        runtime=parse_settings(stage.runtime, runtime or {}, stage.name),
        seed=seed,
        work=work,
        reporter=events,
        vault=vault or FolderVault(work / "vault"),
        rank=rank,
        ranks=ranks,
    )
    parsed = parse_settings(stage.config, settings, stage.name)
    if before_run is not None:
        before_run(context)
    result = stage.load_run()(context, parsed, Inputs(given, dict(sources)))
    made = result.outputs if result is not None else {}
    outputs = {name: output.path for name, output in made.items()}
    return StageRun(result, outputs, events, context)
