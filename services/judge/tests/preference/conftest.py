"""Two evaluations' rows, and the stage that compares them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graftline.testkit.llm import Act, FunctionModel
from graftline.testkit.local import FolderVault, StageRun, run_stage
from graftline_judge.descriptor import STAGE


def answer(number: int, output: str, variant: str = "plain", **more: Any) -> dict[str, Any]:
    """A row of an evaluation, as far as it is read."""
    return {
        "id": f"id{number}",
        "split": "eval",
        "variant": variant,
        "prompt": f"What is thing {number}?",
        "gold": f"Thing {number} is good.",
        "output": output,
        "parents": [f"chunk{number}"],
        "meta": json.dumps({"source_text": f"About thing {number}."}),
        **more,
    }


def evaluation(folder: Path, rows: list[dict[str, Any]], role: str) -> Path:
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")
    (folder / "metrics.json").write_text(json.dumps({"role": role}))
    return folder


def side(text: str, letter: str) -> str:
    return text.split(f"Answer {letter}:\n<<<\n")[1].split("\n>>>")[0]


def better(letter: str) -> Act:
    return Act(json.dumps({"better": letter}))


def prefers(*words: str) -> Any:
    """A judge that likes answers with these words, the first most, wherever they stand."""

    def rank(text: str) -> int:
        return next((n for n, word in enumerate(words) if word in text), len(words))

    def says(text: str) -> Act:
        one, other = rank(side(text, "A")), rank(side(text, "B"))
        return better("tie" if one == other else "A" if one < other else "B")

    return says


class Compared:
    """What came of two evaluations."""

    def __init__(self, run: StageRun) -> None:
        self.run = run
        self.result = run.result
        if run.result is None:
            return
        metrics = run.outputs["metrics"]
        assert set(run.outputs) == {"metrics"}
        self.found: dict[str, Any] = json.loads((metrics / "preference.json").read_text())
        self.judge: dict[str, Any] = json.loads((metrics / "judge.json").read_text())
        self.rows = pq.read_table(metrics / "rows.parquet").to_pylist()
        assert run.result.rows_in == run.result.rows_out == len(self.rows) == self.found["rows"]
        counted = ("adapted", "baseline", "ties", "inconsistent", "unjudged")
        assert sum(self.found[name] for name in counted) == len(self.rows)


class Arena:
    """Runs the stage on two evaluations."""

    def __init__(self, folder: Path, model: FunctionModel) -> None:
        self.folder = folder
        self.model = model
        self.runs = 0

    def vault(self, name: str = "vault") -> FolderVault:
        return FolderVault(self.folder / name)

    def compare(
        self,
        baseline: list[dict[str, Any]],
        adapted: list[dict[str, Any]],
        *,
        vault: FolderVault | None = None,
        chunks: Path | None = None,
        roles: tuple[str, str] = ("baseline", "adapted"),
        runtime: dict[str, Any] | None = None,
        rank: int = 0,
        ranks: int = 1,
        **config: Any,
    ) -> Compared:
        self.runs += 1
        work = self.folder / f"run-{self.runs}"
        folders = [
            evaluation(work / "in" / f"{n}", rows, role)
            for n, (rows, role) in enumerate(zip((baseline, adapted), roles, strict=True))
        ]
        run = run_stage(
            STAGE,
            work,
            config={"kind": "preference", "request": {"model": "fake"}, **config},
            inputs={"answers": folders, **({"chunks": chunks} if chunks else {})},
            runtime=runtime or {"llm": self.model.runtime},
            vault=vault,
            rank=rank,
            ranks=ranks,
        )
        return Compared(run)


@pytest.fixture
def arena(tmp_path: Path, model: FunctionModel) -> Arena:
    return Arena(tmp_path, model)


@pytest.fixture
def tell() -> Any:
    """The makers of this file (conftest modules cannot be imported by tests)."""
    from types import SimpleNamespace

    return SimpleNamespace(answer=answer, better=better, prefers=prefers, side=side)
