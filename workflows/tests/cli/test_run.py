from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import graftline_trials
from graftline.store import RunRecords
from graftline.v1 import plan_pb2
from graftline_workflows.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trials_fixture import Trials

STEPS = ["left", "right", "both", "baseline", "adapted", "page"]


def test_run_json_is_what_scripts_rely_on(trials: Trials) -> None:
    called = trials.run("--json")
    assert called.code == 0, called.err
    found = called.json
    assert list(found) == [
        *("run", "recipe", "profile", "state", "built", "cached"),
        *("gate", "metrics", "report", "bundle"),
    ]
    assert (found["recipe"], found["profile"], found["state"]) == ("trial", "tiny", "succeeded")
    assert found["gate"]["passed"] is True
    assert [check["rule"] for check in found["gate"]["checks"]] == [
        "at_least",
        "better_than_baseline",
    ]
    assert found["metrics"]["eval"]["accuracy"]["adapted"]["value"] == 0.9
    assert Path(found["report"]).read_text().startswith("<!doctype html>")
    assert (Path(found["bundle"]) / "sub" / "lines.txt").is_file()


def test_people_see_the_table_the_verdict_and_the_paths(built: Trials) -> None:
    trials = built
    called = trials.call("run", str(graftline_trials.RECIPE))
    assert called.code == 0
    text = called.out
    assert "50.0 % [45.0, 55.0]" in text
    assert "90.0 % [85.0, 95.0]" in text
    assert "≥ 80 %, better" in text
    assert "gate passed · 0 built, 6 cached" in text
    assert f"report  {trials.home}" in text.replace("\n", "")
    assert called.err == ""


def test_a_gate_that_is_not_met_is_exit_code_1_also_when_all_is_cached(built: Trials) -> None:
    for steps in (["adapted", "page"], []):
        called = built.call(
            "run", str(graftline_trials.RECIPE), "--set", "adapted.accuracy=0.7", "--json"
        )
        assert called.code == 1
        assert called.json["state"] == "gate-failed"
        assert called.json["built"] == steps
        assert called.json["gate"]["passed"] is False
        assert "0.7 is not ≥ 0.8" in called.err


def test_a_part_of_a_recipe_without_the_gates_step_has_no_verdict(trials: Trials) -> None:
    called = trials.run("--until", "both", "--json")
    assert called.code == 0
    assert called.json["gate"] is None
    assert called.json["built"] == ["left", "right", "both"]


def test_a_copy_that_somebody_changed_is_fetched_again(built: Trials) -> None:
    trials = built
    first = Path(trials.call("run", str(graftline_trials.RECIPE), "--json").json["report"])
    wanted = first.read_text()
    first.chmod(0o644)
    first.write_text("scribble")
    second = Path(trials.call("run", str(graftline_trials.RECIPE), "--json").json["report"])
    assert second != first
    assert second.read_text() == wanted


def test_plan_json_is_what_scripts_rely_on(trials: Trials) -> None:
    recipe = str(graftline_trials.RECIPE)
    called = trials.call("plan", recipe, "--json")
    assert called.code == 0, called.err
    assert list(called.json) == ["steps"]
    assert [step["step"] for step in called.json["steps"]] == STEPS
    assert set(called.json["steps"][0]) == {"step", "stage", "key", "cached", "reason"}
    assert not any(step["cached"] for step in called.json["steps"])
    assert trials.done() == {}


def test_plan_shows_what_would_be_built_and_why(trials: Trials) -> None:
    trials.run("--until", "both", "--quiet")
    called = trials.call("plan", str(graftline_trials.RECIPE), "--set", "both.count=5")
    assert "= left" in called.out
    assert "both.count 3 → 5" in called.out
    assert "4 to build, 2 cached" in called.out


def test_two_runs_in_one_home_are_one_clear_message(trials: Trials) -> None:
    trials.home.mkdir()
    with Home(trials.home).lock("other"):
        called = trials.run()
    assert called.code == 75
    assert called.err.count("\n") == 2
    assert f"process {os.getpid()}" in called.err
    assert "--home" in called.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "no-such-recipe"], 64, "unknown recipe 'no-such-recipe'"),
        (["run", "./none.yaml"], 64, "does not exist"),
        (["run", "TRIAL", "--profile", "tony"], 64, "did you mean 'tiny'?"),
        (["run", "TRIAL", "--set", "left.cuont=3"], 64, "did you mean"),
        (["run", "TRIAL", "--set", "left.count=many"], 64, "many"),
        (["run", "TRIAL", "--until", "bth"], 64, "did you mean 'both'?"),
        (["run", "TRIAL", "--image", "trial"], 64, "STAGE=IMAGE"),
        (["run", "TRIAL", "--cores", "-2"], 64, "--cores"),
        (["run", "~no-such-user-here/recipe.yaml"], 64, "nobody's home folder"),
        (["run", "TRIAL", "--store", "/tmp/x"], 64, "s3://bucket/prefix"),
        (["run"], 64, "RECIPE"),
        (["rn"], 64, "did you mean 'run'?"),
        (["run", "TRIAL", "--frmo", "x"], 64, "--from"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_message(
    trials: Trials, arguments: list[str], code: int, said: str
) -> None:
    words = [str(graftline_trials.RECIPE) if word == "TRIAL" else word for word in arguments]
    called = trials.call(words[0], *words[1:]) if "--store" not in words else _plain(trials, words)
    assert called.code == code
    assert said in called.err
    assert "Traceback" not in called.err
    assert called.out == ""


def _plain(trials: Trials, words: list[str]) -> object:
    from trials_fixture import Called

    from graftline_workflows.cli.main import run_command

    code = run_command(words)
    captured = trials.capture.readouterr()
    return Called(code, captured.out, captured.err)


def test_a_home_that_cannot_be_written_is_one_clear_message(trials: Trials) -> None:
    trials.folder.joinpath("file").write_text("")
    trials.home = trials.folder / "file" / "home"
    called = trials.run()
    assert called.code in (64, 75)
    assert "cannot write to the home folder" in called.err
    assert called.err.count("\n") <= 2


def test_a_store_that_does_not_answer_is_one_clear_message(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    called = trials.run()
    assert called.code == 75
    assert "does not answer" in called.err
    assert "Traceback" not in called.err


def test_a_stage_that_is_not_installed_is_told_before_anything_runs(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    real = importlib.util.find_spec
    gone = "graftline_verdict"
    monkeypatch.setattr(
        "graftline_workflows.engine.process.importlib.util.find_spec",
        lambda name, package=None: None if name == gone else real(name, package),
    )
    called = trials.run()
    assert called.code == 64
    assert "verdict" in called.err
    assert trials.done() == {}


PAIR = """
recipe: pair
parameters:
  seconds: {type: float, default: 60.0}
  marks: {type: string}
steps:
  quick: {uses: trial, runtime: {marks: "${marks}"}}
  slow: {uses: trial, from: {parts: quick}, runtime: {seconds: "${seconds}", marks: "${marks}"}}
"""


@contextmanager
def started(trials: Trials, recipe: str) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own, killed if the test did not see to its end."""
    command = [sys.executable, graftline_trials.__file__, "run", recipe]
    more = ["--home", str(trials.home), "--store", trials.store_uri, "--json"]
    with subprocess.Popen(
        [*command, *more, "--set", f"marks={trials.marks}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as engine:
        try:
            yield engine
        finally:
            engine.kill()


def wait_for(trials: Trials, step: str) -> None:
    until = time.monotonic() + 60
    while step not in trials.done():
        assert time.monotonic() < until, f"{step} was not started within a minute"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_is_recorded_and_goes_on_from_there(
    trials: Trials, number: signal.Signals
) -> None:
    recipe = trials.recipe(PAIR)
    with started(trials, recipe) as engine:
        wait_for(trials, "slow")
        engine.send_signal(number)
        out, err = engine.communicate(timeout=60)
    assert engine.returncode == 130, err
    assert '"state": "cancelled"' in out
    assert "To go on:" in err
    record = trials.call("runs", "--json").json["runs"][0]
    assert record["state"] == "cancelled"
    assert {s["step"]: s["state"] for s in record["steps"]} == {
        "quick": "built",
        "slow": "cancelled",
    }
    again = trials.run("--set", "seconds=0", "--json", recipe=recipe)
    assert again.code == 0
    assert (again.json["cached"], again.json["built"]) == (["quick"], ["slow"])
    assert trials.done() == {"quick": 1, "slow": 2}


def test_steps_of_a_killed_engine_do_not_live_on(trials: Trials) -> None:
    recipe = trials.recipe(PAIR)
    with started(trials, recipe):
        wait_for(trials, "slow")
    (mark,) = trials.marks.glob("slow.*")
    again = trials.run("--set", "seconds=0", "--json", recipe=recipe)
    assert again.code == 0
    assert not alive(int(mark.suffix[1:]))
    states = {item["run"]: item["state"] for item in trials.call("runs", "--json").json["runs"]}
    assert sorted(states.values()) == ["cancelled", "succeeded"]


def alive(pid: int) -> bool:
    """Whether a process does anything still; one that is only not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_reader_who_leaves_makes_neither_a_success_nor_a_verdict(trials: Trials) -> None:
    command = [sys.executable, graftline_trials.__file__, "plan", str(graftline_trials.RECIPE)]
    where = ["--home", str(trials.home), "--store", trials.store_uri]
    with subprocess.Popen(
        [*command, *where], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as plan:
        assert plan.stdout is not None
        plan.stdout.close()
        assert plan.stderr is not None
        said = plan.stderr.read()
        assert plan.wait(60) == 130, said
    assert said == ""


def test_a_run_that_breaks_off_for_want_of_a_reader_is_recorded_as_stopped(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*arguments: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("graftline_workflows.engine.display.Plain.finished", gone)
    assert trials.run("--until", "left").code == 130
    (record,) = trials.call("runs", "--json").json["runs"]
    assert record["state"] == "cancelled"


def test_a_killed_run_is_closed_also_after_a_command_that_failed_at_once(trials: Trials) -> None:
    trials.run("--until", "left", "--quiet")
    (record,) = RunRecords(trials.store).list()
    record.state = plan_pb2.RUN_STATE_RUNNING
    RunRecords(trials.store).save(record)
    (trials.home / "lock").write_text(json.dumps({"pid": 1, "run": record.run}))
    assert trials.call("run", "no-such-recipe").code == 64
    assert trials.call("gc").code == 0
    (record,) = RunRecords(trials.store).list()
    assert record.state == plan_pb2.RUN_STATE_CANCELLED
