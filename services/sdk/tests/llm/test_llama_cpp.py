"""The client against the real thing: llama.cpp's server with a small real model."""

from __future__ import annotations

import pytest

from graftline.domain.answers import JsonAnswer, TextAnswer
from graftline.llm.config import Endpoint, LlmConfig, LlmRuntime
from graftline.llm.request import LlmReply, LlmRequest, Message
from graftline.llm.session import LlmSession
from graftline.testkit.llm import MemoryCache, llama_cpp

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url():
    pytest.importorskip("openai", reason="the service that asks brings the providers' libraries")
    with llama_cpp(context_tokens=2048, slots=2) as address:
        yield address


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
