"""The calibration in the stage: asked as all rows are, measured, and in no row."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def rows(say):
    return [
        say.pair(
            question=f"How long does client {n} wait?",
            answer=f"Client {n} waits {n + 5} s.",
            source=f"Some text. Client {n} waits {n + 5} s.",
            group=f"g{n % 7}",
        )
        for n in range(150)
    ]


def part(text, name):
    """A text between the marks under its title."""
    return text.split(f"{name}:\n<<<\n")[1].split("\n>>>")[0]


def knows(say):
    """A judge that finds the answer in the source, or not."""

    def says(text):
        return say.judgement(9 if part(text, "Answer") in part(text, "Source") else 2)

    return says


def test_a_judge_that_knows_is_worth_something(court, model, say, rows):
    model.says = knows(say)
    done = court.judge(rows, calibration={"rows": 70})
    assert model.requests == 150 + 70
    found = done.summary["calibration"]
    assert (found["rows"], found["judged_pairs"], found["unjudged"]) == (70, 70, 0)
    assert (found["auc"], found["worth"]) == (1.0, "better-than-chance")
    assert (found["mean_true"], found["mean_shuffled"]) == (9.0, 2.0)
    judge = json.loads((done.run.outputs["metrics"] / "judge.json").read_text())
    assert judge["calibration"] == found
    assert done.result.figures["calibration_auc"] == 1.0
    # The wrong answers are in no row and in no other count.
    assert done.summary["rows"] == 150
    assert [j["overall"] for j in done.judgements] == [9.0] * 150
    assert "better than chance" in done.run.said("info")


def test_a_judge_that_looks_at_the_answer_alone_is_chance(court, model, say, rows):
    model.says = lambda text: say.judgement(int(part(text, "Answer").split()[-2]) % 11)
    done = court.judge(rows, calibration={"rows": 150})
    found = done.summary["calibration"]
    assert found["auc"] == 0.5  # the wrong pairs hold the same answers
    assert found["worth"] == "chance"
    assert "no better than chance" in done.run.said("warning")


def test_without_it_nothing_is_asked_or_said(court, model, rows):
    done = court.judge(rows[:3])
    assert model.requests == 3
    assert done.summary["calibration"] is None


def test_ranks_share_it_and_the_same_cache_gives_the_same_bytes(court, model, say, rows):
    model.says = knows(say)
    calibration = {"rows": 100}
    alone = court.judge(rows, vault=court.vault("one"), calibration=calibration)
    vault = court.vault("two")
    (court.folder / "one" / "cache").rename(vault.folder / "cache")
    parts = [
        court.judge(rows, vault=vault, rank=r, ranks=3, calibration=calibration) for r in range(3)
    ]
    assert [part.result is None for part in parts] == [True, True, False]
    assert parts[-1].run.files == alone.run.files
    assert model.requests == 250
    # Units: three of rows, two of the calibration.
    assert sorted(vault.saved) == [f"unit-{n:08d}" for n in range(5)]
    asked = [part.run.events.progress_points[-1][:2] for part in parts]
    assert asked == [(128, 128), (100, 100), (22, 22)]


def test_units_that_are_kept_are_not_asked_again(court, model, say, rows):
    model.says = knows(say)
    vault = court.vault()
    court.judge(rows, vault=vault)
    asked = model.requests
    done = court.judge(rows, vault=vault, calibration={"rows": 20})
    assert model.requests == asked + 20
    assert done.summary["calibration"]["judged_pairs"] == 20
    assert court.judge(rows, vault=vault, calibration={"rows": 20}).run.files == done.run.files
    assert model.requests == asked + 20


def test_rows_without_a_source_leave_fewer_pairs(court, model, say, rows):
    bare = [say.pair(question=f"Bare {n}?", source=None) for n in range(5)]
    done = court.judge(bare + rows[:1], calibration={"rows": 6})
    found = done.summary["calibration"]
    assert (found["rows"], found["auc"]) == (0, None)
    assert model.requests == 1
    # Six wrong answers were planned for; progress comes to its end without them.
    assert done.run.events.progress_points[-1] == (12, 12, "rows")


def test_unusable_judgements_of_either_side_are_counted(court, model, say, rows):
    def says(text):
        right = part(text, "Answer") in part(text, "Source")
        return say.judgement(9 if right else "no number")

    model.says = says
    found = court.judge(rows[:30], calibration={"rows": 30}).summary["calibration"]
    assert (found["rows"], found["judged_pairs"], found["unjudged"]) == (30, 0, 30)
    assert found["worth"] is None
