"""The task with a real llama.cpp server and a small real model."""

from __future__ import annotations

import json

import pytest

from graftline.testkit.llm import llama_cpp

pytestmark = pytest.mark.slow

TEXTS = [
    "# Timeouts\n\nThe client waits five seconds for a connection by default. Give `timeout=10` to"
    " wait ten seconds, or `timeout=None` to wait for ever.",
    "# Errors\n\nA request that takes too long raises `TimeoutException`. A server that cannot be"
    " reached raises `ConnectError`. Both are kinds of `TransportError`.",
    "# Streaming\n\nUse `client.stream()` to read a large response piece by piece, so that it is"
    " never in memory as a whole. Close the response when you are done.",
]


@pytest.fixture(scope="module")
def llama():
    with llama_cpp() as url:
        yield url


def test_every_chunk_is_asked_about_and_a_second_run_asks_nothing(llama, workshop):
    rows = workshop.documents(guide=TEXTS[:2], held=TEXTS[2])
    vault = workshop.vault()
    request = {"model": "SmolLM2-135M-Instruct", "max_tokens": 160, "corrections": 0}
    runtime = {"llm": {"endpoints": [{"url": llama, "max_concurrency": 1}], "timeout_s": 200}}
    first = workshop.ask(rows, vault=vault, runtime=runtime, request=request)
    figures = first.result.figures
    assert figures["llm_requests"] >= 3
    assert first.result.input_tokens > 300
    assert first.result.output_tokens > 30
    answered = {json.loads(row["meta"])["chunk_id"] for row in first.rows}
    failed = {json.loads(row["row"])["chunk_id"] for row in first.rejects}
    assert answered | failed == {row["id"] for row in rows}
    assert first.rows
    for row in first.rows:
        assert row["messages"][0]["content"].strip()
        assert row["messages"][1]["content"].strip()

    (vault.folder / "checkpoints").rename(vault.folder / "aside")
    away = {"llm": {"endpoints": [{"url": "http://127.0.0.1:9/v1"}], "wait_s": 0}}
    again = workshop.ask(rows, vault=vault, runtime=away, request=request)
    assert again.run.files == first.run.files
    # The step has paid for them itself, whenever that was.
    assert again.result.figures == first.result.figures
