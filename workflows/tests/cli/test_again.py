"""`run --again`: a step that is cached is built anew, under the key that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from graftline.store import Manifests
from graftline_workflows.cli.build import _retry

if TYPE_CHECKING:
    from pathlib import Path

    from trials_fixture import Called, Trials

RECIPE = """\
recipe: asking
parameters: {says: {type: string, default: ""}}
steps:
  asked:
    uses: ask
    with: {request: {model: m}}
    runtime: {says: "${says}", llm: {endpoints: [{url: "http://127.0.0.1:9/v1"}]}}
  after:
    uses: trial
    from: {parts: asked.lines}
"""


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "says.txt"
    path.write_text("yes")
    return path


def run(trials: Trials, answers: Path, *words: str) -> Called:
    recipe = trials.recipe(RECIPE)
    return trials.call("run", recipe, "--set", f"says={answers}", "--json", *words)


def lines(trials: Trials, step: str, folder: Path) -> str:
    trials.call("get", step, str(folder), "--json")
    return next(folder.rglob("lines.txt")).read_text()


def test_it_is_built_anew_and_what_follows_with_it(trials: Trials, answers: Path, tmp_path: Path):
    assert run(trials, answers).json["built"] == ["asked", "after"]
    answers.write_text("no")
    assert run(trials, answers).json["built"] == []
    key = trials.call("show", "asked", "--json").json["key"]
    again = run(trials, answers, "--again", "asked")
    assert (again.code, again.json["built"]) == (0, ["asked", "after"])
    assert trials.call("show", "asked", "--json").json["key"] == key
    assert lines(trials, "after", tmp_path / "after").startswith("no\n")
    assert run(trials, answers).json["built"] == []


def test_what_comes_out_the_same_changes_nothing_after_it(trials: Trials, answers: Path):
    run(trials, answers)
    again = run(trials, answers, "--again", "asked").json
    assert (again["built"], again["cached"]) == (["asked"], ["after"])


def test_an_attempt_that_fails_loses_nothing(trials: Trials, answers: Path, tmp_path: Path):
    run(trials, answers)
    answers.write_text("no answer")
    failed = run(trials, answers, "--again", "asked")
    assert failed.code == 65
    assert run(trials, answers).json["built"] == []
    assert lines(trials, "asked", tmp_path / "asked") == "yes\n"


def test_a_plan_says_so_and_takes_nothing_away(trials: Trials, answers: Path):
    run(trials, answers)
    plan = trials.call(
        *("plan", trials.recipe(RECIPE), "--set", f"says={answers}", "--again", "asked", "--json")
    ).json["steps"]
    assert [step["reason"] for step in plan] == ["asked for again", "input 'asked' is rebuilt"]
    assert Manifests(trials.store).lookup(plan[0]["key"]).problem == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--again", "askd"], "did you mean 'asked'?"),
        (["--again", "asked", "--only", "after"], "the step is not among --only after"),
    ],
)
def test_only_steps_of_the_run_can_be(trials: Trials, answers: Path, words: list[str], said: str):
    run(trials, answers)
    called = run(trials, answers, *words)
    assert (called.code, said in called.err) == (64, True)


def test_the_retry_does_not_build_again_what_was():
    words = ["run", "r", "--again", "a", "--again=b", "--again", "c"]
    assert _retry(words, ["a", "c"]) == "graftline run r --again=b"


def test_an_output_that_was_not_made_is_told_and_is_no_bug(trials: Trials, answers: Path):
    recipe = trials.recipe(RECIPE.replace("asked.lines", "asked.more"))
    words = (recipe, "--set", f"says={answers}")
    called = trials.call("run", *words)
    said = "reads 'asked.more', but as it is set, 'asked' made only lines"
    assert (called.code, said in called.out) == (64, True)
    planned = trials.call("plan", *words)
    assert (planned.code, f"step 'after' {said}" in planned.err) == (64, True)
