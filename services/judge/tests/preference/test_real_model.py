"""Two models' answers compared by a real llama.cpp server with a small real model."""

from __future__ import annotations

import pytest

from graftline.testkit.llm import llama_cpp

pytestmark = pytest.mark.slow


def test_a_small_model_chooses_or_is_unjudged(arena, tell):
    before = [tell.answer(n, "I do not know.") for n in range(3)] + [tell.answer(3, "same")]
    after = [tell.answer(n, f"Thing {n} is good.") for n in range(3)] + [tell.answer(3, "same")]
    vault = arena.vault()
    request = {"model": "SmolLM2-135M-Instruct", "max_tokens": 40, "corrections": 0}
    with llama_cpp() as url:
        runtime = {"llm": {"endpoints": [{"url": url, "max_concurrency": 1}], "timeout_s": 200}}
        first = arena.compare(before, after, vault=vault, runtime=runtime, request=request)
    assert first.result.figures["llm_requests"] == 6
    assert (first.found["rows"], first.found["identical"]) == (4, 1)
    for row in first.rows[:3]:
        chosen = [row["baseline_first"], row["adapted_first"]]
        if row["outcome"] == "unjudged":
            assert row["reason"] in ("truncated", "schema-violation", "not-json")
        else:
            assert set(chosen) <= {"baseline", "adapted", "tie"}
    (vault.folder / "checkpoints").rename(vault.folder / "aside")
    away = {"llm": {"endpoints": [{"url": "http://127.0.0.1:9/v1"}], "wait_s": 0}}
    again = arena.compare(before, after, vault=vault, runtime=away, request=request)
    assert again.run.files == first.run.files
