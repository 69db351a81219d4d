from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

STAND_IN = Path(__file__).parent / "stand_in.py"


class StandIn:
    """A program `docker` on PATH that records its calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "docker"
        program.write_text(f"#!{sys.executable}\n{STAND_IN.read_text()}")
        program.chmod(0o755)
        (folder / "version").write_text("Client: Docker Engine")
        (folder / "networks").write_text("")
        (folder / "gateway").write_text("127.0.0.1")
        self.image(GRAFTLINE_STAGE="graftline_curate")

    def image(self, user="65532:65532", labels=None, **environment):
        """Say what the image says of itself."""
        env = [f"{name}={value}" for name, value in environment.items()]
        config = {"User": user, "Env": env, "Labels": labels}
        (self.folder / "image.json").write_text(json.dumps([{"Config": config}]))

    def calls(self, *first):
        """Give the recorded calls that begin so."""
        log = self.folder / "calls.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        calls = [json.loads(line) for line in lines]
        return [call for call in calls if tuple(call[: len(first)]) == first]


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return StandIn(folder)


@pytest.fixture
def no_container_cli(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert shutil.which("docker") is None
