"""The three providers' own libraries against one server that speaks all three APIs."""

from __future__ import annotations

import pytest

from graftline.errors import ConfigError
from graftline.llm.config import Endpoint
from graftline.llm.request import LlmFailure, LlmReply, LlmRequest, Message
from graftline.llm.session import LlmSession
from graftline.testkit.llm import Act, LlmServer

KINDS = ["openai", "anthropic", "gemini"]
MODULES = {"openai": "openai", "anthropic": "anthropic", "gemini": "google.genai"}


@pytest.fixture(params=KINDS)
def kind(request):
    pytest.importorskip(MODULES[request.param], reason="a service that asks brings the library")
    return request.param


@pytest.fixture
def session(make, kind, monkeypatch):
    """Open a session on a server, whatever other keys lie about in the environment."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, "sk-of-somebody-else")
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    def open_session(server, **settings):
        url = server.url if kind == "openai" else server.root
        endpoint = Endpoint(kind=kind, url=url, api_key_env="KEY")
        runtime = make.runtime(endpoint, **{"timeout_s": 30.0, **settings})
        config = make.config(temperature=None, seed=None)
        return LlmSession(config, runtime, environment={"KEY": "sk-s3cret"})

    return open_session


def request(make, form, text="hi", tag=None):
    config = make.config(temperature=None)
    messages = [
        Message("system", "be brief"),
        Message("user", "one"),
        Message("assistant", "two"),
        Message("user", text),
    ]
    return LlmRequest.of(config, messages, form, tag=tag)


def test_a_json_answer(make, kind, session):
    with LlmServer(lambda asked: Act('{"a": "x"}')) as server:
        with session(server) as llm:
            answer = llm.answer(request(make, make.form))
        (asked,) = server.asked
    assert isinstance(answer, LlmReply)
    assert answer.data == {"a": "x"}
    assert (answer.input_tokens, answer.output_tokens) == (1, 2)
    key = "x-goog-api-key" if kind == "gemini" else "authorization"
    assert asked.headers[key].removeprefix("Bearer ") == "sk-s3cret"
    assert "somebody" not in str(asked.headers)
    body = dict(asked.body)
    schema = dict(make.form.schema)
    if kind == "openai":
        assert [turn["role"] for turn in body["messages"]] == [
            "system",
            "user",
            "assistant",
            "user",
        ]
        assert body["response_format"]["json_schema"] == {
            "name": "qa",
            "schema": schema,
            "strict": True,
        }
        assert body["max_tokens"] == 50
    elif kind == "anthropic":
        assert body["system"] == "be brief"
        assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
        assert body["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
        assert body["max_tokens"] == 50
    else:
        assert asked.path.endswith("/models/m:generateContent")
        assert body["systemInstruction"]["parts"] == [{"text": "be brief"}]
        assert [turn["role"] for turn in body["contents"]] == ["user", "model", "user"]
        assert body["generationConfig"] == {
            "maxOutputTokens": 50,
            "responseMimeType": "application/json",
            "responseJsonSchema": schema,
        }


@pytest.mark.parametrize(
    "fault",
    [
        Act("slow down", status=429, headers={"Retry-After": "0.2"}),
        Act("broken", status=500),
        Act("overloaded", status=503),
        Act(drop="before"),
        Act("x" * 300, drop="middle"),
        Act(body="<html>"),
        Act(body="[]"),
        Act(body="{}"),
        Act(delay_s=8),
    ],
    ids=lambda act: f"{act.status}{act.drop}{act.body or ''}{act.delay_s or ''}",
)
def test_a_fault_is_tried_again_by_the_pool_and_not_by_the_library(make, session, fault):
    with LlmServer(lambda asked: fault if asked.number == 0 else Act("ok")) as server:
        with session(server, timeout_s=2.0 if fault.delay_s else 30.0) as llm:
            answer = llm.answer(request(make, make.requests(1)[0].form))
        assert len(server.asked) == 2
    assert isinstance(answer, LlmReply), answer
    assert (answer.text, answer.attempts) == ("ok", 2)
    assert llm.totals.retries == 1


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (Act("invalid key sk-s3cret", status=401), "check the API key in KEY"),
        (Act("not found", status=404), "does not serve 'm'"),
    ],
)
def test_a_wrong_setup_ends_at_once_without_showing_the_key(make, session, act, words):
    with LlmServer(lambda asked: act) as server:
        with session(server) as llm, pytest.raises(ConfigError) as caught:
            list(llm.answer_all([request(make, make.form, f"{n}") for n in range(20)]))
        assert len(server.asked) <= 20
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (Act("half of", finish="length"), "truncated"),
        (Act("no", finish="content_filter"), None),
        (Act("prompt is too long: 9 tokens", status=400), "too-long"),
    ],
)
def test_answers_that_cannot_be_used(make, kind, session, act, reason):
    with LlmServer(lambda asked: act) as server, session(server) as llm:
        answer = llm.answer(request(make, make.requests(1)[0].form))
    assert isinstance(answer, LlmFailure)
    # Anthropic has no filter of its own; its model declines.
    assert answer.reason == reason or answer.reason == (
        "refused" if kind == "anthropic" else "content-filter"
    )


def test_gemini_withholds_a_prompt(make):
    pytest.importorskip("google.genai", reason="a service that asks brings the library")
    body = '{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}'
    with LlmServer(lambda asked: Act(body=body)) as server:
        endpoint = Endpoint(kind="gemini", url=server.root, api_key_env="KEY")
        with LlmSession(make.config(), make.runtime(endpoint), environment={"KEY": "k"}) as llm:
            answer = llm.answer(request(make, make.form))
    assert isinstance(answer, LlmFailure)
    assert answer.reason == "content-filter"


def test_a_missing_library_is_told_before_anything_is_sent(make, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "anthropic", None)
    monkeypatch.delitem(sys.modules, "graftline.llm.wire_anthropic", raising=False)
    endpoint = Endpoint(kind="anthropic", api_key_env="KEY")
    session = LlmSession(
        make.config(temperature=None), make.runtime(endpoint), environment={"KEY": "k"}
    )
    with pytest.raises(ConfigError, match="Python package 'anthropic'"), session:
        pass
