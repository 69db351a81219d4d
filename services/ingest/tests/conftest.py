from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from graftline.domain.rows import read_rows
from graftline.testkit.local import StageRun, run_stage
from graftline_ingest.descriptor import STAGE

# Shared machines are slow at times; a law is not about time.
settings.register_profile("graftline", deadline=None)
settings.load_profile("graftline")

REPOSITORY = Path(__file__).resolve().parents[3]


class Ingested:
    """What came of a source: the run, its examples and its rejects."""

    def __init__(self, done: StageRun) -> None:
        self.run = done
        self.result = done.result
        self.examples = list(read_rows(done.outputs["examples"]))
        self.rejects = list(read_rows(done.outputs["rejects"]))
        assert self.result.rows_in == len(self.examples) + len(self.rejects)
        assert sum(self.result.rejected.values()) == len(self.rejects)
        assert self.result.outputs["examples"].rows == len(self.examples)

    @property
    def answers(self) -> list[Any]:
        return [json.loads(row["messages"][-1]["content"]) for row in self.examples]

    @property
    def splits(self) -> list[str]:
        return [row["split"] for row in self.examples]


@pytest.fixture
def ingest(tmp_path: Path):
    counter = iter(range(1000))

    def run(source: Path, *, seed: int = 0, **config: Any) -> Ingested:
        work = tmp_path / f"work-{next(counter)}"
        return Ingested(
            run_stage(STAGE, work, config=config, sources={"source": source}, seed=seed)
        )

    return run


@pytest.fixture
def write(tmp_path: Path):
    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


@pytest.fixture
def real_data() -> Path:
    named = os.environ.get("GRAFTLINE_TEST_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set GRAFTLINE_TEST_DATA")
    return folder
