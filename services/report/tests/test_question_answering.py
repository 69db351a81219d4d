"""The page of a run from documents: judgements, rejects, paragraphs, where less is better."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from report_artifacts import (
    artifact,
    calibration,
    chunks,
    evaluation,
    folder_of,
    preferred,
    rejects,
    scored,
)

from graftline.errors import DataError
from graftline.testkit.local import run_stage
from graftline.v1 import manifest_pb2
from graftline_report.descriptor import STAGE


class Page:
    def __init__(self, folder: Path) -> None:
        self.html = (folder / "index.html").read_text()
        self.facts = json.loads((folder / "report.json").read_text())

    def section(self, title: str) -> str:
        found = re.search(rf"<h2>{title}</h2>(.*?)(?=<h2>|</body>)", self.html, re.DOTALL)
        assert found, f"no section {title}"
        return found[1]

    def row(self, label: str) -> str:
        return next(row for row in self.html.split("<tr>") if f">{label}<" in row)


@pytest.fixture
def page(tmp_path):
    def make(config=None, **inputs) -> Page:
        done = run_stage(STAGE, tmp_path / "work", config=config or {}, inputs=inputs)
        return Page(done.outputs["report"])

    return make


def formatted(parent: Path, threshold: float | None) -> object:
    folder = folder_of(parent, "data", statistics={})
    config = {"threshold": threshold}
    counts = [manifest_pb2.RejectCount(reason="below-threshold", rows=17)]
    return artifact("training_set", folder, "format", "format", config, rejected=counts)


def test_scores_verdicts_and_validators_are_shown(page, tmp_path):
    found = page(judgements=[scored(tmp_path)], data=formatted(tmp_path, 7.5))
    part = found.section("Judged data")
    assert "57 of 60 rows have a score by <code>small-judge</code>" in part
    assert "keeps rows from 7.5 on: it left out 17 below that and 0 without a score" in part
    bars = re.findall(r'class="fill( left-out)?".*?<title>(\d+) to \d+: (\d+) rows', part)
    assert [int(rows) for _, _, rows in bars] == [0, 1, 0, 2, 3, 2, 5, 14, 20, 10]
    assert [low for pale, low, _ in bars if pale] == [str(n) for n in range(7)]
    assert "threshold 7.5" in part
    for words in ("NEEDS REVIEW", "truncated", "medium", "grounding", "&lt;threshold&gt;"):
        assert words in part


def test_without_a_threshold_no_line_is_drawn(page, tmp_path):
    part = page(judgements=[scored(tmp_path)], data=formatted(tmp_path, None))
    assert "threshold" not in part.section("Judged data").replace("&lt;threshold&gt;", "")
    assert "left-out" not in part.section("Judged data")


@pytest.mark.parametrize(
    ("worth", "auc", "css", "said"),
    [
        ("chance", 0.52, "unmet", "The judge is no better than chance"),
        ("worse-than-chance", 0.3, "unmet", "The judge is worse than chance"),
        ("better-than-chance", 0.9, "met", "The judge is worth something"),
        (None, 0.9, "", "The judge's worth is unknown"),
    ],
)
def test_what_a_judge_is_worth_is_said_first(page, tmp_path, worth, auc, css, said):
    part = page(judgements=[scored(tmp_path, calibration=calibration(worth, auc))]).section(
        "Judged data"
    )
    box = re.search(r'<div class="verdict ([a-z]*)">\s*<strong>(.*?)</strong>', part)
    assert box.groups() == (css, said.replace("'", "&#39;"))
    assert box.start() < part.index("rows have a score")
    assert f"AUC: {auc:.3f} [{auc - 0.1:.3f}, {auc + 0.1:.3f}]" in part


def test_a_judge_that_nobody_checked_is_told(page, tmp_path):
    part = page(judgements=[scored(tmp_path)]).section("Judged data")
    assert "Whether this judge is worth anything was not asked" in part


def test_a_preference_is_shown_with_its_interval_and_its_bias(page, tmp_path):
    part = page(judgements=[preferred(tmp_path)]).section("Preference")
    assert "Neither model&#39;s answers are clearly preferred." in part
    assert "win rate: 0.620 [0.520, 0.720]" in part
    assert "stood first in 56.0 % of its choices" in part
    assert "4 of the ties are equal answers, about which nobody was asked" in part
    assert re.findall(r'class="value">(\d+)<', part) == ["22", "9", "5", "12", "2"]
    assert "unmet" not in part


def test_a_preference_by_a_worthless_judge_says_so(page, tmp_path):
    judge = scored(tmp_path, calibration=calibration("chance"))
    doubted = page(judgements=[judge, preferred(tmp_path)])
    assert "no better than chance: read nothing into its choice" in doubted.section("Preference")


def test_another_model_is_not_blamed_for_it(page, tmp_path):
    judge = scored(tmp_path, calibration=calibration("chance"))
    found = page(judgements=[judge, preferred(tmp_path, "large-judge", None)])
    assert "read nothing into" not in found.section("Preference")
    assert "win rate:" not in found.section("Preference")


def test_rejects_are_counted_over_all_steps_with_an_example(page, tmp_path):
    given = [rejects(tmp_path, "ingest", empty=2, encrypted=5), rejects(tmp_path, "chunk")]
    found = page(rejects=[*given, rejects(tmp_path, "generate", copied_prompt=3)])
    told = [(item["step"], item["reason"], item["rows"]) for item in found.facts["refusals"]]
    assert told == [
        ("ingest", "encrypted", 5),
        ("ingest", "empty", 2),
        ("generate", "copied-prompt", 3),
    ]
    part = found.section("Data")
    assert "guide/a.md [0, 9): it says &lt;encrypted&gt; and more" in part
    assert "Rejected by ingest" not in part, "said once"
    assert "No row was rejected" not in part


def test_rejects_that_only_manifests_know_are_still_shown(page, tmp_path):
    known = rejects(tmp_path, "curate", duplicate=4)
    part = page(rejects=[rejects(tmp_path, "ingest", empty=2)], steps=[known]).section("Data")
    assert "Rejected by curate, by reason" in part
    assert "No row was rejected" not in page(steps=[known]).section("Data")


def evaluations(parent, base, adapted, **more):
    return [evaluation(parent, "baseline", base), evaluation(parent, "adapted", adapted, **more)]


def test_where_less_is_better_it_is_told_and_judged_so(page, tmp_path):
    checks = [{"metric": "perplexity", "at_most": 9}]
    found = page({"checks": checks}, metrics=evaluations(tmp_path, [0.1], [0.9]))
    row = found.row("Perplexity of the expected answers")
    assert "lower is better" in row
    assert '<span class="good">-24.25<small>-26.25 – -22.25' in row
    assert "7.25<small>6.25 – 8.25" in row
    assert "≤ 9" in row
    assert "✓" in row
    assert "lower is better" not in found.row("Words in common (token F1)")
    assert "in 3 of 3 metrics" in found.html, "all but the exact match and the probe"


def test_a_perplexity_that_rose_is_bad(page, tmp_path):
    metrics = evaluations(tmp_path, [0.1], [0.9], forgetting=15.5)
    found = page(metrics=metrics)
    assert '<span class="bad">+1.5<small>' in found.row("Perplexity of unrelated texts")
    part = found.section("Forgetting")
    assert "The adapter has forgotten something: on texts that have nothing to do" in part
    assert "its perplexity is 15.5, the base&#39;s 14." in part


def test_no_forgetting_is_said_too(page, tmp_path):
    part = page(metrics=evaluations(tmp_path, [0.1], [0.9], forgetting=14.1)).section("Forgetting")
    assert "No forgetting is seen" in part


def test_rows_are_sorted_by_what_the_evaluation_found_and_the_widest_come_first(page, tmp_path):
    base = [0.1, 0.2, 0.9, 0.0, 0.5]
    adapted = [0.4, 0.9, 0.1, 0.1, 0.5]
    found = page({"examples": 1}, metrics=evaluations(tmp_path, base, adapted))
    part = found.section("Examples")
    assert "Won (2)" in part
    assert "Lost (1)" in part
    assert "Still wrong (1)" in part
    assert "1 right before and after" in part
    won = part[part.index("Won (2)") : part.index("Lost (1)")]
    assert re.findall(r"<code>(row\d)</code>", won) == ["row1"]
    assert "Base, 20.0 % of words in common" in won
    assert "Adapter, 90.0 % of words in common" in won


def test_each_example_has_its_paragraph_and_its_place(page, tmp_path):
    part = page(metrics=evaluations(tmp_path, [0.1], [0.9])).section("Examples")
    assert "Its paragraph: guide/timeouts.md, characters 120 to 151" in part
    assert "The time-out is &lt;five&gt; seconds." in part


def test_paragraphs_that_rows_do_not_hold_come_from_their_chunks(page, tmp_path):
    metrics = evaluations(tmp_path, [0.1, 0.1], [0.9, 0.8], holds_paragraph=False)
    given = chunks(tmp_path, chunk0="Of the first.", chunk9="Of nothing shown.")
    part = page(metrics=metrics, chunks=given).section("Examples")
    assert "Its paragraph: chunk0.md, characters 40 to 53" in part
    assert "Of the first." in part
    assert part.count("Its paragraph") == 1, "row 1's chunk is not there"
    assert "Of nothing shown." not in part


def test_what_language_models_cost_is_shown(page, tmp_path):
    part = page(judgements=[scored(tmp_path)]).section("Cost")
    models = part[part.index("Language models") :]
    row = re.search(r"<tr><td>judge</td>(.*?)</tr>", models)[1]
    told = re.findall(r'class="n">([^<]*)<', row)
    assert told == ["120", "4", "3", "52,000", "9,100", "$0.0042"]


def test_a_step_that_is_no_judge_is_refused(page, tmp_path):
    folder = folder_of(tmp_path, "odd", judge={"model": "m"}, summary={"rows": 3})
    with pytest.raises(DataError, match=r"step 'odd' is no judge's: it lacks 'judged'"):
        page(judgements=[artifact("metrics", folder, "odd", "odd")])
    with pytest.raises(DataError, match=r"judge.json"):
        page(judgements=[artifact("metrics", folder_of(tmp_path, "none"), "none", "none")])


def test_a_run_without_judgements_has_none_of_these_parts(page, tmp_path):
    html = page(metrics=evaluations(tmp_path, [0.1], [0.9])).html
    for words in ("Judged data", "Preference", "Language models", "Rejected, by reason"):
        assert words not in html
