"""Runs `graftline` in this process, with the stages of `stages/`, against a fresh store."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import graftline_trials
from graftline.store import Store
from graftline_workflows import catalog
from graftline_workflows.cli.main import run_command

if TYPE_CHECKING:
    from graftline.store import EmbeddedStore

RECIPE = str(graftline_trials.RECIPE)


@dataclass
class Called:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Trials:
    """A home, a store, and what was done in them."""

    folder: Path
    store_uri: str
    capture: pytest.CaptureFixture[str] | None
    marks: Path = field(init=False)

    def __post_init__(self) -> None:
        self.marks = self.folder / "marks"
        self.home = self.folder / "home"

    @property
    def store(self) -> Store:
        return Store.open(self.store_uri)

    def call(self, *arguments: str) -> Called:
        assert self.capture is not None
        self.capture.readouterr()
        code = run_command([*arguments, "--home", str(self.home), "--store", self.store_uri])
        captured = self.capture.readouterr()
        return Called(code, captured.out, captured.err)

    def run(self, *arguments: str, recipe: str = RECIPE) -> Called:
        return self.call("run", recipe, "--set", f"marks={self.marks}", *arguments)

    def done(self) -> dict[str, int]:
        """How often each step did work."""
        counts: dict[str, int] = {}
        for path in self.marks.glob("*"):
            counts[path.stem] = counts.get(path.stem, 0) + 1
        return counts

    def recipe(self, text: str) -> str:
        path = self.folder / "own.yaml"
        path.write_text(text)
        return str(path)


def _prepare(monkeypatch: pytest.MonkeyPatch, server: EmbeddedStore) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(catalog, "load_catalog", catalog.load_catalog)
    monkeypatch.syspath_prepend(str(graftline_trials.STAGES))
    monkeypatch.setenv("PYTHONPATH", str(graftline_trials.STAGES))
    graftline_trials.install()


def _fresh(folder: Path, server: EmbeddedStore) -> Trials:
    return Trials(folder, f"{server.uri}/test-{secrets.token_hex(6)}", None)


@pytest.fixture
def trials(
    tmp_path: Path,
    s3_server: EmbeddedStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Trials:
    """An empty home and store."""
    _prepare(monkeypatch, s3_server)
    return replace(_fresh(tmp_path, s3_server), capture=capsys)


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory, s3_server: EmbeddedStore) -> Trials:
    """A home and store in which the whole trial recipe was run; only to be read."""
    found = _fresh(tmp_path_factory.mktemp("built"), s3_server)
    with pytest.MonkeyPatch.context() as monkeypatch:
        _prepare(monkeypatch, s3_server)
        where = ["--home", str(found.home), "--store", found.store_uri]
        assert run_command(["run", RECIPE, "--quiet", *where]) == 0
    return found


@pytest.fixture
def built(
    built_once: Trials,
    s3_server: EmbeddedStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Trials:
    """The same, to call commands in."""
    _prepare(monkeypatch, s3_server)
    return replace(built_once, capture=capsys)
