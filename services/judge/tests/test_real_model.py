"""The stage with a real llama.cpp server and a small real model."""

from __future__ import annotations

import pytest

from graftline.testkit.llm import llama_cpp

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def llama():
    with llama_cpp() as url:
        yield url


def test_rows_are_scored_or_unjudged_and_a_second_run_asks_nothing(llama, court, say):
    rows = [
        say.pair(),
        say.pair(answer="The default time-out is 90 years, and elephants decide it."),
        say.pair(question="Who wrote it?", source="The client was written by Ada in 1843."),
    ]
    vault = court.vault()
    request = {"model": "SmolLM2-135M-Instruct", "max_tokens": 300, "corrections": 0}
    runtime = {"llm": {"endpoints": [{"url": llama, "max_concurrency": 1}], "timeout_s": 200}}
    first = court.judge(rows, vault=vault, runtime=runtime, request=request)
    assert first.summary["judged"] >= 1
    for judgement in first.judgements:
        if judgement["verdict"] == "UNJUDGED":
            assert judgement["overall"] is None
            assert judgement["reason"] in ("truncated", "schema-violation", "not-json")
        else:
            assert 0 <= judgement["overall"] <= 10
    grounded = [j["validators"]["grounding"]["passed"] for j in first.judgements]
    assert grounded == [True, False, False]

    (vault.folder / "checkpoints").rename(vault.folder / "aside")
    away = {"llm": {"endpoints": [{"url": "http://127.0.0.1:9/v1"}], "wait_s": 0}}
    again = court.judge(rows, vault=vault, runtime=away, request=request)
    assert again.run.files == first.run.files
    # The step has paid for them itself, whenever that was.
    assert again.result.figures == first.result.figures


@pytest.mark.parametrize("most", [0, 1])
def test_a_small_model_keeps_to_what_it_may_say_and_comes_to_the_scores(llama, court, say, most):
    request = {"model": "SmolLM2-135M-Instruct", "max_tokens": 160, "corrections": 0}
    runtime = {"llm": {"endpoints": [{"url": llama, "max_concurrency": 1}], "timeout_s": 200}}
    (judgement,) = court.judge(
        [say.pair()], runtime=runtime, request=request, max_issues=most, max_remark=80
    ).judgements
    assert judgement["verdict"] != "UNJUDGED"
    assert len(judgement["issues"]) <= most
    assert all(len(issue["text"]) <= 80 for issue in judgement["issues"])


def test_a_small_models_worth_is_measured_and_said(llama, court, say):
    rows = [
        say.pair(
            question=f"What colour is the {thing}?",
            answer=f"The {thing} is {colour}.",
            source=f"This is about a {thing}. The {thing} is {colour}.",
            group=thing,
        )
        for thing, colour in (("door", "red"), ("car", "blue"), ("hat", "green"), ("cup", "white"))
    ]
    vault = court.vault()
    settings = {
        "request": {"model": "SmolLM2-135M-Instruct", "max_tokens": 200, "corrections": 0},
        "calibration": {"rows": 4},
    }
    runtime = {"llm": {"endpoints": [{"url": llama, "max_concurrency": 1}], "timeout_s": 200}}
    first = court.judge(rows, vault=vault, runtime=runtime, **settings)
    found = first.summary["calibration"]
    assert found["rows"] == 4 == found["judged_pairs"] + found["unjudged"]
    assert found["worth"] is None  # of four rows nothing is concluded
    assert found["text"]
    assert first.result.figures["llm_requests"] == 8
    (vault.folder / "checkpoints").rename(vault.folder / "aside")
    assert court.judge(rows, vault=vault, runtime=runtime, **settings).run.files == first.run.files
