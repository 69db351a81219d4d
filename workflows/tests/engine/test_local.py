from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from graftline.canonical import sha256_bytes
from graftline.store import RunRecords, Store, StoreRefused
from graftline.v1 import plan_pb2, stage_pb2
from graftline_workflows.building import RecipeRun, RunResult, Wanted
from graftline_workflows.engine import local
from graftline_workflows.engine.display import Quiet
from graftline_workflows.engine.local import Limits
from graftline_workflows.home import Home
from graftline_workflows.session import StoreSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from trials_fixture import Trials

HURRIED = Limits(backoff_s=0.05, grace_s=0.5)

ONE = "recipe: one\nsteps:\n  only:\n    uses: trial\n    runtime: {%s}\n"


def run_here(
    trials: Trials,
    recipe: str,
    *overrides: str,
    watch: Callable[[RecipeRun], None] | None = None,
) -> RunResult:
    home = Home(trials.home)
    home.prepare()
    with StoreSession(home, trials.store_uri) as session:
        wanted = Wanted(recipe, overrides=overrides)
        run = RecipeRun(wanted, home, session, Quiet(), limits=HURRIED)
        return run.execute(run.prepare())


def one(trials: Trials, runtime: str) -> str:
    return trials.recipe(ONE % f"marks: {trials.marks}, {runtime}")


def states(result: RunResult) -> dict[str, str]:
    return {
        step.name: stage_pb2.StepState.Name(step.state).removeprefix("STEP_STATE_").lower()
        for step in result.outcome.steps
    }


def test_everything_is_built_once_and_then_cached(trials: Trials) -> None:
    first = trials.run("--json")
    assert first.code == 0, first.err
    steps = ["left", "right", "both", "baseline", "adapted", "page"]
    assert first.json["built"] == steps
    assert first.json["cached"] == []
    assert first.json["state"] == "succeeded"
    assert trials.done() == {"left": 1, "right": 1, "both": 1}
    second = trials.run("--json")
    assert (second.json["built"], second.json["cached"]) == ([], steps)
    assert second.json["gate"] == first.json["gate"]
    assert second.json["metrics"] == first.json["metrics"]
    changed = trials.run("--set", "both.count=7", "--json")
    assert changed.json["built"] == ["both", "adapted", "page"]
    assert changed.json["cached"] == ["left", "right", "baseline"]


def test_a_transient_failure_is_tried_again(trials: Trials) -> None:
    result = run_here(trials, one(trials, "fail_with: 75, fail_times: 2"))
    assert states(result) == {"only": "succeeded"}
    assert trials.done() == {"only": 3}
    log = result.outcome.steps[0].log
    assert log is not None
    assert log.read_text().count("error: only was told to fail") == 2


def test_three_transient_failures_are_a_failure(trials: Trials) -> None:
    result = run_here(trials, one(trials, "fail_with: 75"))
    assert result.exit_code == 75
    (step,) = result.outcome.failed
    assert step.message == "only was told to fail (after 3 attempts)"
    assert trials.done() == {"only": 3}


def test_a_step_that_somebody_kills_is_started_again(trials: Trials) -> None:
    result = run_here(trials, one(trials, "fail_with: -9, fail_times: 1"))
    assert states(result) == {"only": "succeeded"}
    assert trials.done() == {"only": 2}


def test_a_crash_is_a_bug_and_not_tried_again(trials: Trials) -> None:
    result = run_here(trials, one(trials, "fail_with: -11"))
    assert result.exit_code == 70
    assert "SIGSEGV" in result.outcome.failed[0].message
    assert trials.done() == {"only": 1}


def test_bad_data_stops_what_follows_and_lets_the_rest_finish(trials: Trials) -> None:
    recipe = trials.recipe(
        "recipe: half\n"
        "steps:\n"
        f"  bad: {{uses: trial, runtime: {{fail_with: 65, marks: '{trials.marks}'}}}}\n"
        f"  good: {{uses: trial, runtime: {{seconds: 1.5, marks: '{trials.marks}'}}}}\n"
        "  after: {uses: trial, from: {parts: bad}}\n"
    )
    called = trials.call("run", recipe, "--cores", "2", "--json")
    assert called.code == 65
    assert called.json["state"] == "failed"
    assert called.json["built"] == ["good"]
    (failed,) = called.json["failed"]
    assert (failed["step"], failed["exit_code"]) == ("bad", 65)
    assert failed["cause"] == "bad was told to fail"
    assert "step 'bad' failed" in called.err
    assert failed["log"] in called.err.replace("\n", "")
    assert "not run: after" in called.err
    record = trials.call("runs", "--json").json["runs"][0]
    assert record["state"] == "failed"
    assert {s["step"]: s["state"] for s in record["steps"]} == {
        "bad": "failed",
        "good": "built",
        "after": "waiting",
    }


def test_a_corrupt_input_is_built_again_and_nothing_else(trials: Trials) -> None:
    assert trials.run("--until", "both", "--json").code == 0
    key = trials.call("show", "left", "--json").json["key"]
    (blob,) = list(trials.store.list(f"steps/{key}/blobs/"))
    good = trials.store.get(blob.name)
    assert good is not None
    trials.store.put(blob.name, b"?" * blob.size)
    again = trials.run("--until", "both", "--set", "both.count=4", "--json")
    assert again.code == 0, again.err
    assert again.json["built"] == ["left", "both"]
    assert trials.done() == {"left": 2, "right": 1, "both": 2}
    repaired = trials.store.get(blob.name)
    assert repaired is not None
    assert sha256_bytes(repaired.data) == sha256_bytes(good.data)


def test_steps_share_the_cores_and_gpu_steps_take_all(trials: Trials) -> None:
    assert trials.run("--cores", "2", "--until", "both", "--json").code == 0
    assert "threads 1 1" in trials.call("logs", "left").out
    assert "threads 2 2" in trials.call("logs", "both").out


def test_independent_steps_run_side_by_side(trials: Trials) -> None:
    called = trials.run("--set", "seconds=2", "--cores", "2", "--until", "both")
    assert called.code == 0
    lines = [line.split() for line in called.out.splitlines()]
    order = [(words[0], words[1]) for words in lines if len(words) > 1]
    first_end = min(order.index(("left", "built")), order.index(("right", "built")))
    assert order.index(("left", "started:")) < first_end
    assert order.index(("right", "started:")) < first_end


def test_a_stubborn_step_is_killed_after_the_grace(trials: Trials, monkeypatch: object) -> None:
    recipe = one(trials, "seconds: 60, stubborn: true")
    home = Home(trials.home)
    home.prepare()
    with StoreSession(home, trials.store_uri) as session:
        run = RecipeRun(Wanted(recipe), home, session, Quiet(), limits=HURRIED)
        plan = run.prepare()
        began = time.monotonic()
        stopper = threading.Thread(target=stop_when_marked, args=(trials,))
        stopper.start()
        result = run.execute(plan)
        stopper.join()
    assert time.monotonic() - began < 30
    assert result.state == plan_pb2.RUN_STATE_CANCELLED
    assert result.exit_code == 130
    assert states(result) == {"only": "cancelled"}


def stop_when_marked(trials: Trials) -> None:
    """Send this process SIGTERM, as a shell would, once the step is at work."""
    import os
    import signal

    until = time.monotonic() + 30
    while not trials.done() and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)


MOODY = """#!/bin/sh
if [ "$1" = describe ]; then
  echo '{"contractVersion": "1", "name": "trial", "configSchema": "{}",
    "outputs": [{"name": "lines", "kinds": ["ARTIFACT_KIND_DOCUMENTS"]}]}'
elif mkdir "$(dirname "$0")/tried" 2>/dev/null; then
  echo 'the network is away' >&2; exit 75
else
  echo 'row 7 is odd' >&2; exit 65
fi
"""


def test_a_failure_is_told_by_its_own_cause_not_by_the_one_before(trials: Trials) -> None:
    program = trials.folder / "moody"
    program.write_text(MOODY)
    program.chmod(0o755)
    recipe = trials.recipe("recipe: one\nsteps: {only: {uses: trial}}\n")
    called = trials.call("run", recipe, "--image", f"trial=exec:{program}", "--json")
    assert called.code == 65, called.err
    assert called.json["failed"][0]["cause"] == "row 7 is odd"


def test_a_store_that_is_too_busy_for_records_and_logs_breaks_no_run(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = RunRecords.save

    def save(self: RunRecords, record: plan_pb2.RunRecord) -> None:
        going_on = record.state == plan_pb2.RUN_STATE_RUNNING
        if going_on and any(s.state == stage_pb2.STEP_STATE_SUCCEEDED for s in record.steps):
            raise StoreRefused("SlowDown")
        saved(self, record)

    def upload(self: Store, *arguments: object) -> int:
        raise StoreRefused("SlowDown")

    monkeypatch.setattr(RunRecords, "save", save)
    monkeypatch.setattr(Store, "upload", upload)
    result = run_here(trials, one(trials, "seconds: 0"))
    assert states(result) == {"only": "succeeded"}
    assert trials.store.get(f"runs/{result.run}.binpb") is not None


class Kept:
    """Stands for the language model's server, and notes for whom it is kept."""

    wanted: list[list[str]]

    def __init__(self, *arguments: object) -> None:
        Kept.wanted = []

    def environment(self, request: stage_pb2.StageRequest) -> dict[str, str]:
        return {}

    def close_unless_wanted(self, requests: object) -> None:
        Kept.wanted.append([request.step for request in requests])  # type: ignore[attr-defined]

    def close(self) -> None:
        pass


def test_a_model_server_is_not_kept_for_the_step_that_has_just_ended(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "LanguageModelServer", Kept)
    recipe = (
        "recipe: two\nsteps:\n  ask: {uses: trial}\n  after: {uses: trial, from: {parts: ask}}\n"
    )
    assert states(run_here(trials, trials.recipe(recipe))) == {
        "ask": "succeeded",
        "after": "succeeded",
    }
    assert Kept.wanted == [["after"], []]
