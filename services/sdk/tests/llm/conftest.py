"""Fixtures of the client's tests: settings for real servers on loopback."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from graftline.domain.answers import JsonAnswer, TextAnswer
from graftline.llm.config import Endpoint, LlmConfig, LlmRuntime
from graftline.llm.request import LlmRequest, Message


@pytest.fixture
def make():
    """Short ways to make settings and requests."""
    form = JsonAnswer(
        "qa",
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "required": ["a"],
            "additionalProperties": False,
        },
    )

    def config(**settings):
        return LlmConfig(**{"model": "m", "max_tokens": 50, **settings})

    def runtime(*servers, max_concurrency=16, **settings):
        endpoints = [
            server
            if isinstance(server, Endpoint)
            else Endpoint(url=server.url, max_concurrency=max_concurrency)
            for server in servers
        ]
        return LlmRuntime(endpoints=endpoints, **{"wait_s": 5, "timeout_s": 5, **settings})

    def requests(count, *, form=TextAnswer(), start=0, **settings):  # noqa: B008
        return [
            LlmRequest.of(
                config(**settings), [Message("user", f"question {number}")], form, tag=number
            )
            for number in range(start, start + count)
        ]

    return SimpleNamespace(config=config, runtime=runtime, requests=requests, form=form)
