"""Runs `graftline-planner` in this process, as a pod would, with the trial stages and a store."""

from __future__ import annotations

import importlib
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import graftline_trials
from graftline.events.messages import EventSource
from graftline.events.reporter import EventStream, StepReporter
from graftline.runner.execute import StepExecution
from graftline.store import RunRecords, Store
from graftline_workflows import catalog
from graftline_workflows.argo.graph import GraphStep, read_graph
from graftline_workflows.planner import main as planner
from graftline_workflows.release import current_release

if TYPE_CHECKING:
    from trials_fixture import Trials

    from graftline.v1.plan_pb2 import RunRecord

STAGES = ("ask", "page", "trial", "verdict")


@dataclass
class Ended:
    """How a pod ended."""

    code: int
    out: str
    err: str
    outputs: dict[str, str]
    message: str

    @property
    def to_build(self) -> list[str]:
        return [
            name.removeprefix("build-")
            for name, text in self.outputs.items()
            if name.startswith("build-") and text == "true"
        ]

    @property
    def verdict(self) -> Any:
        return json.loads(self.outputs["verdict"])


@dataclass
class Pods:
    """What a run's pods do, one after the other."""

    trials: Trials
    folder: Path
    capture: pytest.CaptureFixture[str]
    recipe: Path
    monkeypatch: pytest.MonkeyPatch
    own: dict[str, str] = field(default_factory=lambda: {s: f"reg/{s}:1" for s in STAGES})

    @property
    def store(self) -> Store:
        return self.trials.store

    @property
    def records(self) -> RunRecords:
        return RunRecords(self.store)

    def record(self, run: str) -> RunRecord:
        found = self.records.load(run)
        assert found is not None
        return found

    def steps(self) -> list[GraphStep]:
        return list(read_graph(str(self.recipe), catalog.load_catalog()).steps)

    def plan(
        self,
        run: str,
        steps: list[GraphStep] | None = None,
        images: dict[str, str] | None = None,
        ranks: str = "1",
        contract: str = "1",
        patches: dict[str, str] | None = None,
        **given: str,
    ) -> Ended:
        """Plan a run; `given` are the workflow's parameters."""
        settings = {"valueFrom": {"configMapKeyRef": {"name": "graftline-settings", "key": "x"}}}
        parameters: list[dict[str, Any]] = [
            {"name": name.replace("__", "-"), "value": value} for name, value in given.items()
        ]
        parameters.append({"name": "image-trial", **settings})
        self.monkeypatch.setenv("GRAFTLINE_PARAMETERS", json.dumps(parameters))
        self.monkeypatch.setenv("GRAFTLINE_OWN_IMAGES", json.dumps(self.own))
        words = [
            *("plan", f"--recipe={self.recipe}", f"--run={run}", "--namespace=ml"),
            *(f"--contract={contract}", f"--ranks={ranks}"),
            *(f"--image={stage}={ref}" for stage, ref in {**self.own, **(images or {})}.items()),
            *(f"--patch={stage}={text}" for stage, text in (patches or {}).items()),
            *(f"--step={step}" for step in (self.steps() if steps is None else steps)),
        ]
        return self._call(words, run)

    def build(self, run: str, *steps: str) -> None:
        """Do what the stages' pods would: each step by its request in the store."""
        for step in steps:
            request = self.records.load_request(run, step)
            stage = importlib.import_module(f"graftline_{request.stage}.descriptor").STAGE
            reporter = StepReporter(EventSource(run, step, 0), EventStream(""))
            with tempfile.TemporaryDirectory(dir=self.folder) as name:
                StepExecution(
                    stage, stage.load_run, request, Path(name), reporter, request.image
                ).run()

    def gate(self, run: str, failures: list[dict[str, Any]] | None = None) -> Ended:
        """Judge a run, as the exit handler does."""
        # As Argo gives it: JSON, quoted once more.
        self.monkeypatch.setenv("GRAFTLINE_FAILURES", json.dumps(json.dumps(failures)))
        return self._call(["gate", f"--run={run}"], run)

    def _call(self, words: list[str], run: str) -> Ended:
        outputs = self.folder / f"{run}-{words[0]}"
        message = self.folder / "termination-log"
        message.write_text("")
        self.monkeypatch.setattr(planner, "_TERMINATION_LOG", message)
        self.capture.readouterr()
        code = planner.main([*words, f"--outputs={outputs}"])
        said = self.capture.readouterr()
        files = {path.name: path.read_text() for path in sorted(outputs.glob("*"))}
        return Ended(code, said.out, said.err, files, message.read_text())


@pytest.fixture
def pods(
    trials: Trials,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Pods:
    """A store with nothing in it, and the trial recipe as its ConfigMap would give it."""
    recipe = tmp_path / "config-map" / "trial.yaml"
    recipe.parent.mkdir()
    recipe.write_text(graftline_trials.RECIPE.read_text())
    assert yaml.safe_load(recipe.read_text())["recipe"] == "trial"
    release = tmp_path / "release.json"
    release.write_text(current_release("r1").as_json())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAFTLINE_RELEASE", str(release))
    monkeypatch.setenv("GRAFTLINE_STORE", trials.store_uri)
    monkeypatch.setattr(planner, "_GATE_PAUSES_S", (0.01, 0.01))
    return Pods(trials, tmp_path, capsys, recipe, monkeypatch)
