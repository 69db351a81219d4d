"""docs-qa on a real cluster: two ranks ask the chart's own language model."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from handbook import handbook

from graftline_e2e import Run, digests

if TYPE_CHECKING:
    from pathlib import Path

    from graftline_e2e import Installation

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

GRAFTLINE = (sys.executable, "-m", "graftline_workflows.cli.main")
# Else a small model asks of a short text: what is the answer to this question?
PROMPT = "Ask {count} question about a fact in this text. Name the thing that it is about."
SMALL = (
    *("--set", "chunk.size=220", "--set", "chunk.min_size=100"),
    *("--set", f"generate.task.prompt={PROMPT!r}"),
    *("--set", "generate.max_tokens=128", "--set", "judge.max_tokens=100"),
    *("--set", "generate.task.request.corrections=0", "--set", "judge.request.corrections=0"),
    *("--set", "judge.max_issues=0", "--set", "judge.max_remark=40"),
    *("--set", "judge.calibration={rows: 4}"),
    *("--set", "curate.operations=[{op: dedupe}, {op: sample, limits: {train: 14, eval: 6}}]"),
)


def graftline(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*GRAFTLINE, *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    source = handbook(tmp_path_factory.mktemp("documents") / "handbook")
    return ("docs-qa", "--profile", "tiny", "--set", f"source={source}", *SMALL)


@pytest.fixture(scope="module")
def run(
    installation: Installation, first_run: Run, asked: tuple[str, ...], tmp_path_factory
) -> Run:
    home = ("--home", str(tmp_path_factory.mktemp("home")))
    submitted = graftline(
        installation.environment,
        *("submit", *asked, "-n", installation.namespace, "--ranks", "2", "--json", *home),
    )
    run = installation.wait(json.loads(submitted.stdout)["run"], timeout_s=1500)
    print(run.table(installation.manifests(run.name)))
    assert run.phase == "Succeeded", run.explain()
    return run


def test_what_the_other_recipe_has_built_is_not_built_again(first_run: Run, run: Run):
    assert "model" in first_run.steps
    assert "model" not in run.steps


@pytest.mark.parametrize(("step", "what"), [("generate", "chunks"), ("judge", "rows")])
def test_two_ranks_share_the_asking_and_both_are_busy(
    installation: Installation, run: Run, step: str, what: str
):
    selector = f"workflows.argoproj.io/workflow={run.name},graftline.dev/step={step}"
    said = installation.kubectl("logs", "-l", selector, "-c", "main", "--tail=-1")
    shares = re.findall(rf"rank (\d) has done its (\d+) of (\d+) {what}", said)
    assert {rank for rank, _, _ in shares} == {"0", "1"}, said
    assert all(int(part) > 0 for _, part, _ in shares), said
    assert sum(int(part) for _, part, _ in shares) == int(shares[0][2]), said


def test_a_laptop_has_the_same_keys_and_from_the_same_answers_the_same_bytes(
    installation: Installation, run: Run, asked: tuple[str, ...], tmp_path: Path
):
    there = digests(installation.manifests(run.name))
    # A store with nothing in it but the answers; a server that nobody can reach.
    answers = list(installation.store.list("cache/"))
    assert answers
    for item in answers:
        found = installation.store.get(item.name)
        assert found is not None
        installation.store.put(f"laptop/{item.name}", found.data)
    nowhere = '[{"url": "http://127.0.0.1:9/v1", "models": ["smollm2-135m-instruct"]}]'
    environment = {**installation.environment, "GRAFTLINE_LLM_ENDPOINTS": nowhere}
    store = ("--store", "s3://graftline/laptop", "--home", str(tmp_path / "home"))
    graftline(environment, "run", *asked, "--until", "judge", *store)
    for step in ("ingest", "chunk", "generate", "curate", "judge"):
        shown = graftline(environment, "show", step, "--json", *store)
        manifest = json.loads(shown.stdout)
        here = {item["port"]: item["artifact"]["digest"] for item in manifest["outputs"]}
        assert {"key": manifest["key"], **here} == there[step], step
