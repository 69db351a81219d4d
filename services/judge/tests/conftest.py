"""A judge that is a function, behind a real server, and examples for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings

from graftline.domain.examples import example, message
from graftline.domain.rows import read_rows
from graftline.testkit.examples import write_examples
from graftline.testkit.llm import Act, FunctionModel
from graftline.testkit.local import FolderVault, StageRun, run_stage
from graftline_judge.descriptor import STAGE

# Shared machines are slow at times; a law is not about time.
settings.register_profile("graftline", deadline=None)
settings.load_profile("graftline")


def scores(
    accuracy: Any, completeness: Any = None, consistency: Any = None, **more: Any
) -> dict[str, Any]:
    """What a judge says; all scores alike if only one is given."""
    return {
        "issues": [],
        "factual_accuracy": accuracy,
        "completeness": accuracy if completeness is None else completeness,
        "consistency": accuracy if consistency is None else consistency,
        "recommendation": "Keep it.",
        **more,
    }


@pytest.fixture
def model() -> Iterator[FunctionModel]:
    fake = FunctionModel(lambda text: Act(json.dumps(scores(9))))
    with fake.server:
        yield fake


def pair(
    question: str = "How long is the default time-out?",
    answer: str = "The default time-out is 5 seconds.",
    source: str | None = "Requests wait. The default time-out is 5 seconds.",
    **more: Any,
) -> dict[str, Any]:
    """A row of EXAMPLES with a question and an answer."""
    given = {
        "messages": [message("user", question), message("assistant", answer)],
        "meta": {} if source is None else {"source_text": source, "kept": "as it is"},
        "split": "train",
        "group": "g",
        "task": "qa",
        **more,
    }
    return example(**given)


class Judged:
    """What came of some rows; that none is lost or changed is checked at once."""

    def __init__(self, run: StageRun, given: list[dict[str, Any]]) -> None:
        self.run = run
        self.result = run.result
        self.rows: list[dict[str, Any]] = []
        if run.result is None:
            return
        self.rows = list(read_rows(run.outputs["examples"]))
        assert run.result.rows_in == run.result.rows_out == len(given) == len(self.rows)
        for row, before in zip(self.rows, given, strict=True):
            meta, earlier = json.loads(row["meta"]), json.loads(before["meta"])
            meta.pop("judgement")
            earlier.pop("judgement", None)
            assert {**row, "meta": meta} == {**before, "meta": earlier}

    @property
    def judgements(self) -> list[dict[str, Any]]:
        return [json.loads(row["meta"])["judgement"] for row in self.rows]

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads((self.run.outputs["metrics"] / "summary.json").read_text())


class Court:
    """Runs the stage on rows, with a fake judge and a vault that may be shared."""

    def __init__(self, folder: Path, model: FunctionModel) -> None:
        self.folder = folder
        self.model = model
        self.runs = 0

    def vault(self, name: str = "vault") -> FolderVault:
        return FolderVault(self.folder / name)

    def judge(
        self,
        *inputs: list[dict[str, Any]],
        vault: FolderVault | None = None,
        chunks: Path | None = None,
        runtime: dict[str, Any] | None = None,
        rank: int = 0,
        ranks: int = 1,
        **config: Any,
    ) -> Judged:
        self.runs += 1
        work = self.folder / f"run-{self.runs}"
        folders = [write_examples(work / f"in-{n}" / "x", rows) for n, rows in enumerate(inputs)]
        run = run_stage(
            STAGE,
            work,
            config={"request": {"model": "fake"}, **config},
            inputs={"examples": folders, **({"chunks": chunks} if chunks else {})},
            runtime={"llm": self.model.runtime, **(runtime or {})},
            vault=vault,
            rank=rank,
            ranks=ranks,
        )
        return Judged(run, [row for rows in inputs for row in rows])


@pytest.fixture
def court(tmp_path: Path, model: FunctionModel) -> Court:
    return Court(tmp_path, model)


@pytest.fixture(scope="session")
def say() -> SimpleNamespace:
    """The makers of this file (conftest modules cannot be imported by tests)."""
    return SimpleNamespace(
        pair=pair, scores=scores, judgement=lambda *a, **k: Act(json.dumps(scores(*a, **k)))
    )
