"""Whose fault a failure is: the request's, the endpoint's, or nobody's."""

from __future__ import annotations

import threading
import time

import pytest

from graftline.errors import Cancelled, ConfigError, TransientError
from graftline.llm.config import Endpoint
from graftline.llm.request import LlmFailure, LlmReply
from graftline.llm.session import LlmSession
from graftline.testkit.llm import Act, LlmServer, MemoryCache

pytest.importorskip("openai", reason="the service that asks brings the providers' libraries")


def ask(make, requests, *servers, cache=None, log=lambda line: None, environment=None, **settings):
    runtime = make.runtime(*servers, **settings)
    with LlmSession(
        make.config(), runtime, cache=cache, log=log, environment=environment or {}
    ) as llm:
        return {request.tag: answer for request, answer in llm.answer_all(requests)}, llm.totals


def refusing(status, *numbers):
    """A server that cannot take some of the questions."""
    bad = {f"question {number}" for number in numbers}
    return lambda asked: Act("no", status=status) if asked.prompt in bad else Act(asked.prompt)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (500, "server-error"),
        (504, "unavailable"),
        (400, "bad-request"),
        (403, "bad-request"),
        (404, "server-error"),
        (429, "rate-limited"),
    ],
)
def test_a_step_resumed_with_only_the_bad_requests_left_ends(make, status, reason):
    """What is left of 30 requests is those that no server can take: they fail, as they would."""
    bad = [7, 8, 9, 10]
    cache = MemoryCache()
    patience = {"attempts": 2, "wait_s": 0.3}
    good = [request for request in make.requests(30) if request.tag not in bad]
    with LlmServer(refusing(status, *bad)) as server:
        ask(make, good, server, cache=cache, **patience)
        assert len(cache.kept) == 26
        answers, totals = ask(make, make.requests(30), server, cache=cache, **patience)
        left, _ = ask(
            make,
            [request for request in make.requests(30) if request.tag in bad],
            server,
            **patience,
        )
    assert (totals.cached, totals.replies, totals.failures) == (26, 26, 4)
    assert [answers[number].reason for number in bad] == [reason] * 4
    assert all(isinstance(answer, LlmFailure) for answer in left.values())


def test_the_question_that_proves_a_server_is_paid_for(make):
    with LlmServer(refusing(500, 0)) as server:
        _, totals = ask(make, make.requests(1), server, attempts=2)
        probes = [asked for asked in server.asked if asked.prompt != "question 0"]
    (probe,) = probes
    assert probe.body | {"messages": 0} == server.asked[0].body | {"messages": 0}
    words = len(probe.prompt.split())
    assert (totals.requests, totals.input_tokens, totals.output_tokens) == (3, words, words)


def test_one_endpoint_that_answers_is_enough(make):
    """The bad request fails on both; which of them was seen last must not decide."""
    with (
        LlmServer(refusing(500, 0)) as works,
        LlmServer(lambda asked: Act("no", status=500)) as broken,
    ):
        answers, _ = ask(make, make.requests(1), works, broken, attempts=2)
    assert answers[0].reason == "server-error"


@pytest.mark.parametrize(
    ("first", "then", "error"),
    [
        (500, 500, TransientError),
        (400, 400, ConfigError),
        (500, 401, ConfigError),
        (400, 503, TransientError),
    ],
)
def test_the_harmless_question_decides(make, first, then, error):
    def act(asked):
        return Act("no", status=first if asked.prompt.startswith("question") else then)

    with LlmServer(act) as server, pytest.raises(error):
        ask(make, make.requests(5), server, attempts=2, wait_s=0.3)


def test_failures_are_told_alike_whichever_server_it_was(make):
    """A row must not know where the server was: the next run's may have another port."""
    told, lines = [], []
    for _ in range(2):
        with LlmServer() as server:
            url = server.url

            def act(asked, url=url):
                if "question 1" in asked.prompt:
                    return Act(f"cannot take it: POST {url}/chat/completions", status=400)
                return Act(asked.prompt)

            server._act = act
            answers, _ = ask(make, make.requests(5), server, log=lines.append)
            told.append(answers[1])
            assert url in lines[-1]
    assert told[0] == told[1]
    assert told[0].detail == "HTTP 400: cannot take it: POST (address)/chat/completions"


@pytest.mark.parametrize("before", [285, 288, 292])
def test_no_part_of_a_key_is_in_a_long_failure(make, before):
    def act(asked):
        words = "x" * before + asked.headers["authorization"].removeprefix("Bearer ")
        return Act(words, status=400) if "question 1" in asked.prompt else Act()

    with LlmServer(act) as server:
        endpoint = Endpoint(url=server.url, api_key_env="KEY")
        answers, _ = ask(make, make.requests(3), endpoint, environment={"KEY": "sk-s3cret"})
    assert "sk-" not in answers[1].detail


class Window:
    """A server that answers so many requests a window, and says of the others only that."""

    def __init__(self, most, seconds):
        self.most, self.seconds = most, seconds
        self.lock, self.taken, self.began = threading.Lock(), 0, time.monotonic()

    def __call__(self, asked):
        with self.lock:
            now = time.monotonic()
            if now - self.began >= self.seconds:
                self.began, self.taken = now, 0
            self.taken += 1
            return Act(asked.prompt) if self.taken <= self.most else Act("later", status=429)


def test_a_limit_of_requests_per_window_is_lived_with(make):
    """Windows are far longer than the first pauses: what is refused waits, and does not fail."""
    with LlmServer(Window(6, 1.5)) as server:
        answers, totals = ask(make, make.requests(20), server, attempts=2, wait_s=20)
        assert len(server.asked) < 90
    assert all(isinstance(answer, LlmReply) for answer in answers.values())
    assert totals.retries > 2


def test_a_server_that_refuses_for_too_long_ends_the_run(make):
    with LlmServer(lambda asked: Act("later", status=429)) as server:
        started = time.monotonic()
        with pytest.raises(TransientError, match="HTTP 429: later"):
            ask(make, make.requests(3), server, attempts=2, wait_s=1)
        assert time.monotonic() - started > 1
        assert len(server.asked) < 30


@pytest.mark.parametrize("left", [False, True])
def test_paid_answers_are_kept_by_a_slow_store_however_the_run_is_left(make, left):
    class Slow(MemoryCache):
        def put(self, namespace, key, value):
            time.sleep(0.2)
            super().put(namespace, key, value)

    cache = Slow()
    with LlmServer() as server:
        runtime = make.runtime(server, max_concurrency=40)
        with LlmSession(make.config(), runtime, cache=cache) as llm:
            answers = llm.answer_all(make.requests(40))
            next(answers)
            while len(server.asked) < 40 or server.in_flight:
                time.sleep(0.01)
            time.sleep(0.1)
            if left:
                answers.close()
        assert len(server.asked) == 40
        assert len(cache.kept) == 40


def test_a_store_that_hangs_does_not_hold_the_end_up(make, monkeypatch):
    monkeypatch.setattr("graftline.llm.cache._CLOSE_S", 0.2)
    free, lines = threading.Event(), []

    class Hanging(MemoryCache):
        def put(self, namespace, key, value):
            free.wait(20)

    with LlmServer() as server:
        runtime, stopping = make.runtime(server), threading.Event()
        started = time.monotonic()
        threading.Timer(1.0, stopping.set).start()
        with (
            pytest.raises(Cancelled),
            LlmSession(
                make.config(),
                runtime,
                cache=Hanging(),
                log=lines.append,
                stopping=stopping.is_set,
            ) as llm,
        ):
            list(llm.answer_all(make.requests(3)))
        assert time.monotonic() - started < 5
    free.set()
    assert lines == ["3 answers were not kept: the store is too slow"]
