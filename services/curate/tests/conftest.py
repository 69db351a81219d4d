from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from graftline.domain.rows import read_rows
from graftline.testkit.examples import write_examples
from graftline.testkit.local import StageRun, run_stage
from graftline_curate.descriptor import STAGE

# Shared machines are slow at times; a law is not about time.
settings.register_profile("graftline", deadline=None)
settings.load_profile("graftline")

REPOSITORY = Path(__file__).resolve().parents[3]


class Curated:
    """What came of some rows: the run, what is left, what was dropped."""

    def __init__(self, done: StageRun, rows: int) -> None:
        self.run = done
        self.result = done.result
        self.rows = list(read_rows(done.outputs["examples"]))
        self.rejects = list(read_rows(done.outputs["rejects"]))
        assert self.result.rows_in == rows == len(self.rows) + len(self.rejects)
        assert self.result.rows_out == len(self.rows)
        assert Counter(item["reason"] for item in self.rejects) == self.result.rejected

    @property
    def texts(self) -> list[str]:
        return [item["messages"][-2]["content"] for item in self.rows]

    @property
    def ids(self) -> set[str]:
        return {item["id"] for item in self.rows}

    def log(self, level: str) -> str:
        return "\n".join(text for found, text in self.run.events.lines if found == level)


@pytest.fixture(scope="session")
def curate(tmp_path_factory: pytest.TempPathFactory):
    def run(
        rows: list[dict[str, Any]] | list[list[dict[str, Any]]],
        *operations: dict[str, Any],
        seed: int = 0,
        **config: Any,
    ) -> Curated:
        work = tmp_path_factory.mktemp("curate")
        inputs = rows if rows and isinstance(rows[0], list) else [rows]
        folders = [write_examples(work / f"in-{n}", part) for n, part in enumerate(inputs)]
        done = run_stage(
            STAGE,
            work,
            config={"operations": list(operations), **config},
            inputs={"examples": folders},
            seed=seed,
        )
        return Curated(done, sum(len(part) for part in inputs))

    return run


@pytest.fixture
def real_data() -> Path:
    named = os.environ.get("GRAFTLINE_TEST_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set GRAFTLINE_TEST_DATA")
    return folder
