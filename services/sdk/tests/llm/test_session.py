"""The client against real servers on loopback that misbehave on purpose, and count."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter

import pytest

from graftline.canonical import canonical_json
from graftline.domain.answers import TextAnswer
from graftline.errors import BugError, Cancelled, ConfigError, TransientError
from graftline.llm.cache import UNUSABLE, USABLE, VaultCache
from graftline.llm.config import ENDPOINTS, Endpoint, Price
from graftline.llm.errors import BudgetSpent
from graftline.llm.request import LlmFailure, LlmReply
from graftline.llm.session import LlmSession
from graftline.testkit.llm import Act, LlmServer, MemoryCache

pytest.importorskip("openai", reason="the service that asks brings the providers' libraries")


def ask(make, requests, *servers, cache=None, environment=None, **settings):
    """Ask everything; give the answers by tag, and the accounts."""
    config = {name: settings.pop(name) for name in ("corrections",) if name in settings}
    runtime = make.runtime(*servers, **settings)
    with LlmSession(
        make.config(**config), runtime, cache=cache, environment=environment or {}
    ) as llm:
        pairs = list(llm.answer_all(requests))
    answers = {request.tag: answer for request, answer in pairs}
    assert len(pairs) == len(answers), "a request came back twice"
    return answers, llm.totals


def echo(asked):
    return Act(f"answer to {asked.prompt}")


def closed_port():
    with LlmServer() as server:
        return server.port


def test_every_request_gets_its_own_answer(make):
    with LlmServer(echo, latency_s=0.02) as server:
        answers, totals = ask(make, make.requests(50), server)
    assert {tag: answer.text for tag, answer in answers.items()} == {
        number: f"answer to question {number}" for number in range(50)
    }
    assert (totals.requests, totals.replies, totals.retries) == (50, 50, 0)
    assert totals.figures()["llm_requests"] == 50.0


@pytest.mark.parametrize("most", [1, 3])
def test_never_more_in_flight_than_allowed_and_all_endpoints_busy(make, most):
    with (
        LlmServer(latency_s=0.02) as one,
        LlmServer(latency_s=0.02) as two,
        LlmServer(latency_s=0.02) as three,
    ):
        servers = [one, two, three]
        ask(make, make.requests(60), *servers, max_concurrency=most)
    assert [server.peak for server in servers] == [most] * 3
    assert all(len(server.asked) > 10 for server in servers)


def test_all_endpoints_together_keep_the_common_limit(make):
    with LlmServer(latency_s=0.01) as one, LlmServer(latency_s=0.01) as two:
        ask(make, make.requests(40), one, two, concurrency=3)
        assert one.peak + two.peak <= 4
        assert max(one.peak, two.peak) <= 2


def test_the_faster_endpoint_gets_more(make):
    with LlmServer(latency_s=0.01) as fast, LlmServer(latency_s=0.2) as slow:
        ask(make, make.requests(80), fast, slow, max_concurrency=2)
    assert len(fast.asked) > 3 * len(slow.asked)


def test_answers_come_in_order_where_that_is_asked_for(make):
    def act(asked):
        return Act(asked.prompt, delay_s=random.Random(asked.prompt).random() / 20)

    with LlmServer(act) as server, LlmSession(make.config(), make.runtime(server)) as llm:
        ordered = [request.tag for request, _ in llm.answer_all(make.requests(60), in_order=True)]
        ready = [request.tag for request, _ in llm.answer_all(make.requests(60))]
    assert ordered == list(range(60))
    assert sorted(ready) == ordered != ready


def test_an_endless_stream_is_taken_only_as_fast_as_it_is_answered(make):
    taken = 0

    def endless():
        nonlocal taken
        for number in itertools.count():
            taken += 1
            yield make.requests(1, start=number)[0]

    with (
        LlmServer(latency_s=0.01) as server,
        LlmSession(make.config(), make.runtime(server, max_concurrency=4)) as llm,
    ):
        given = [request for request, _ in itertools.islice(llm.answer_all(endless()), 40)]
    assert len(given) == 40
    assert taken <= 40 + 2 * 4 + 16 + 1


FAULTS = {
    "429 with seconds": Act("slow down", status=429, headers={"Retry-After": "0.1"}),
    "429": Act("slow down", status=429),
    "500": Act("broken", status=500),
    "503": Act("loading", status=503),
    "dropped": Act(drop="before"),
    "dropped midway": Act("x" * 500, drop="middle"),
    "too slow": Act(delay_s=4.0),
    "malformed": Act(body="<html>Bad gateway</html>"),
    "truncated": Act(body='{"choices": [{"message": {"content": "hal'),
    "no choices": Act(body='{"choices": []}'),
    "error as 200": Act(body='{"error": {"code": 502, "message": "upstream"}}'),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_survived(make, name):
    """Every fifth request meets the fault; the client tries again and every answer is right."""

    def act(asked):
        return FAULTS[name] if asked.number % 5 == 2 else echo(asked)

    with LlmServer(act) as server:
        timeout_s = 1.0 if name == "too slow" else 30.0
        answers, totals = ask(make, make.requests(25), server, timeout_s=timeout_s)
    assert [answers[number].text for number in range(25)] == [
        f"answer to question {number}" for number in range(25)
    ]
    assert totals.retries == len(server.asked) - 25 > 0


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_of_all_faults_over_two_endpoints(make, seed):
    """One outcome for each request; what was answered is right, the rest has a reason."""
    dice = random.Random(seed)
    faults = list(FAULTS.values())

    def act(asked):
        return dice.choice(faults) if dice.random() < 0.4 else echo(asked)

    with LlmServer(act) as one, LlmServer(act) as two:
        answers, totals = ask(
            make, make.requests(80), one, two, timeout_s=1.5, attempts=3, wait_s=30
        )
        assert len(one.asked) + len(two.asked) <= totals.requests
    assert sorted(answers) == list(range(80))
    for number, answer in answers.items():
        if isinstance(answer, LlmReply):
            assert answer.text == f"answer to question {number}"
    assert totals.replies + totals.failures == 80
    assert totals.replies > 60


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (FAULTS["429 with seconds"], "rate-limited"),
        (FAULTS["500"], "server-error"),
        (FAULTS["503"], "unavailable"),
        (FAULTS["dropped"], "connection"),
        (FAULTS["too slow"], "timeout"),
        (FAULTS["malformed"], "bad-response"),
        (Act("maximum context length is 5 tokens", status=400), "too-long"),
        (Act("odd", status=400), "bad-request"),
        (Act("blocked by the firewall", status=403), "bad-request"),
        (Act("half", finish="length"), "truncated"),
        (Act("", finish="content_filter"), "content-filter"),
        (Act(" "), "empty"),
    ],
)
def test_a_request_that_breaks_every_time_is_a_failure_and_the_others_go_on(make, fault, reason):
    def act(asked):
        return fault if "question 7" in str(asked.body) else echo(asked)

    with LlmServer(act) as server:
        timeout_s = 1.0 if reason == "timeout" else 30.0
        answers, totals = ask(
            make, make.requests(9), server, timeout_s=timeout_s, attempts=2, max_concurrency=2
        )
    failure = answers.pop(7)
    assert isinstance(failure, LlmFailure)
    assert failure.reason == reason
    assert failure.attempts >= 1
    assert all(isinstance(answer, LlmReply) for answer in answers.values())
    assert (totals.replies, totals.failures) == (8, 1)


def test_retry_after_is_kept(make):
    times = []

    def act(asked):
        times.append(time.monotonic())
        refuse = Act("wait", status=429, headers={"Retry-After": "0.7"})
        return refuse if asked.number == 0 else Act()

    with LlmServer(act) as server:
        ask(make, make.requests(1), server)
    assert 0.7 <= times[1] - times[0] < 1.5


def test_a_refused_request_goes_to_another_endpoint_at_once(make):
    def refuse(asked):
        return Act("wait", status=429, headers={"Retry-After": "60"})

    with LlmServer(refuse) as busy, LlmServer(echo) as free:
        started = time.monotonic()
        answers, _ = ask(make, make.requests(10), busy, free, max_concurrency=2)
        assert time.monotonic() - started < 5
    assert all(isinstance(answer, LlmReply) for answer in answers.values())
    assert len(busy.asked) <= 2


def test_an_endpoint_that_is_down_is_left_alone_and_used_again_when_it_is_back(make):
    port = closed_port()
    dead = Endpoint(url=f"http://127.0.0.1:{port}/v1")
    with (
        LlmServer(latency_s=0.05) as up,
        LlmSession(make.config(), make.runtime(dead, up, max_concurrency=2)) as llm,
    ):
        first = [answer for _, answer in llm.answer_all(make.requests(20))]
        assert all(isinstance(answer, LlmReply) for answer in first)
        with LlmServer(latency_s=0.05, port=port) as back:
            second = list(llm.answer_all(make.requests(120, start=100)))
            assert len(second) == 120
            assert len(back.asked) > 10


def test_a_server_that_comes_up_late_is_waited_for(make):
    port = closed_port()
    lines = []
    server = LlmServer(echo, port=port)
    timer = threading.Timer(1.0, server.__enter__)
    runtime = make.runtime(Endpoint(url=f"http://127.0.0.1:{port}/v1"), wait_s=20)
    timer.start()
    try:
        with LlmSession(make.config(), runtime, log=lines.append) as llm:
            answers = dict(llm.answer_all(make.requests(3)))
    finally:
        timer.join()
        server.__exit__(None, None, None)
    assert all(isinstance(answer, LlmReply) for answer in answers.values())
    assert "no endpoint answers" in lines[0]
    assert "answers again" in lines[1]


@pytest.mark.parametrize("status", [None, 503, 500])
def test_when_no_endpoint_works_the_run_ends_with_a_transient_error(make, status):
    port = closed_port()
    with LlmServer(lambda asked: Act("broken", status=status or 500)) as server:
        url = server.url if status else f"http://127.0.0.1:{port}/v1"
        with pytest.raises(TransientError) as caught:
            ask(make, make.requests(30), Endpoint(url=url), wait_s=0.5, attempts=20)
    assert url in str(caught.value)
    assert "what was answered is kept" in str(caught.value)


def test_requests_that_all_time_out_are_no_rejects(make):
    with (
        LlmServer(latency_s=5) as server,
        pytest.raises(TransientError, match="no answer within"),
    ):
        ask(make, make.requests(3), server, timeout_s=0.1, attempts=2, wait_s=60)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (Act("bad key sk-s3cret", status=401), "check the API key in KEY"),
        (Act("forbidden sk-s3cret", status=403), "check the API key in KEY"),
        (Act("model 'm' not found", status=404), "does not serve 'm'"),
        (Act("top up", status=402), "no credit left"),
        (Act("temperature is not supported", status=400), "refuses every request"),
    ],
)
def test_an_endpoint_that_is_set_up_wrong_ends_the_run_at_once(make, act, words):
    with LlmServer(lambda asked: act) as server:
        endpoint = Endpoint(url=server.url, api_key_env="KEY")
        with pytest.raises(ConfigError) as caught:
            ask(make, make.requests(50), endpoint, environment={"KEY": "sk-s3cret"})
        assert len(server.asked) < 40
        assert server.asked[0].headers["authorization"] == "Bearer sk-s3cret"
    text = str(caught.value)
    assert words in text
    assert server.url in text
    error: BaseException | None = caught.value
    while error is not None:  # what a log with a traceback would show
        assert "s3cret" not in str(error)
        error = error.__cause__


def test_a_key_that_a_server_repeats_is_not_in_a_failure(make):
    def act(asked):
        if "question 1" in asked.prompt:
            return Act(f"odd request by {asked.headers['authorization']}", status=400)
        return Act()

    with LlmServer(act) as server:
        endpoint = Endpoint(url=server.url, api_key_env="KEY", max_concurrency=1)
        answers, _ = ask(make, make.requests(3), endpoint, environment={"KEY": "sk-s3cret"})
    assert answers[1].reason == "bad-request"
    assert "odd request by Bearer ***" in answers[1].detail


def test_a_server_of_the_place_is_asked_where_none_is_named(make):
    with LlmServer(echo) as server:
        given = {ENDPOINTS: f'[{{"url": "{server.url}", "max_concurrency": 2}}]'}
        answers, _ = ask(make, make.requests(5), environment=given)
        assert len(answers) == 5
        assert server.peak <= 2


def test_a_server_of_another_model_is_not_asked(make):
    with LlmServer(echo) as server:
        endpoint = Endpoint(url=server.url, models=["a", "b"])
        with pytest.raises(ConfigError, match=r"serves 'a', 'b', not 'm' \(set endpoints"):
            ask(make, make.requests(1), endpoint)
        assert server.asked == []


def test_settings_that_cannot_be_meant(make):
    with pytest.raises(ConfigError, match="no endpoint"):
        LlmSession(make.config(), make.runtime(), environment={})
    with pytest.raises(ConfigError, match="top_p: null"):
        LlmSession(
            make.config(top_p=0.5, temperature=None),
            make.runtime(Endpoint(kind="anthropic", api_key_env="KEY")),
            environment={"KEY": "k"},
        )
    with LlmServer() as server, LlmSession(make.config(), make.runtime(server)) as llm:
        with pytest.raises(BugError, match="outside"):
            LlmSession(make.config(), make.runtime(server)).answer(make.requests(1)[0])
        other = make.requests(1, model="other")
        with pytest.raises(ConfigError, match="'other'"):
            llm.answer(other[0])
        assert isinstance(llm.answer(make.requests(1)[0]), LlmReply)


def test_what_is_in_the_cache_is_never_asked_again(make):
    cache = MemoryCache()
    with LlmServer(echo) as server:
        first, _ = ask(make, make.requests(10), server, cache=cache)
        second, totals = ask(make, make.requests(15), server, cache=cache)
        assert Counter(server.prompts()) == Counter(f"question {number}" for number in range(15))
    assert [second[number].text for number in range(10)] == [
        first[number].text for number in range(10)
    ]
    assert [number for number, answer in second.items() if answer.cached] == list(range(10))
    assert (totals.cached, totals.requests) == (10, 5)
    assert second[3].usd == 0.0
    assert second[3].input_tokens == first[3].input_tokens


def test_a_run_that_was_left_midway_asks_only_the_rest(make):
    cache = MemoryCache()
    with LlmServer(echo, latency_s=0.01) as server:
        with LlmSession(make.config(), make.runtime(server, max_concurrency=4), cache=cache) as llm:
            seen = [
                request.tag
                for request, _ in itertools.islice(llm.answer_all(make.requests(40)), 15)
            ]
        assert len(cache.kept) >= 15
        kept = len(cache.kept)
        before = len(server.asked)
        answers, totals = ask(make, make.requests(40), server, cache=cache)
        assert len(server.asked) - before == totals.requests == 40 - kept
        asked_again = Counter(server.prompts()[before:])
    assert not any(f"question {tag}" in asked_again for tag in seen)
    assert all(isinstance(answer, LlmReply) for answer in answers.values())


def test_equal_requests_are_asked_once(make):
    with LlmServer(echo, latency_s=0.05) as server:
        config = make.config()
        with LlmSession(config, make.runtime(server), cache=MemoryCache()) as llm:
            pairs = list(llm.answer_all(make.requests(1) * 20))
        assert len(server.asked) == 1
    assert len(pairs) == 20
    assert sum(answer.cached for _, answer in pairs) == 19
    assert llm.totals.cost() == {"input_tokens": 2, "output_tokens": 4, "usd": None}


def test_equal_requests_outlive_a_leader_that_fails(make):
    with LlmServer(lambda asked: Act("broken", status=500)) as server:
        config = make.config()
        runtime = make.runtime(server, wait_s=0.2, attempts=20)
        with (
            LlmSession(config, runtime) as llm,
            pytest.raises(TransientError),
        ):
            list(llm.answer_all(make.requests(1) * 5 + make.requests(20, start=1)))


def test_a_record_that_cannot_be_read_is_asked_again(make):
    cache = MemoryCache()
    (request,) = make.requests(1)
    for record in (b"{", b"[]", b'{"text": 3, "finish": "stop"}', b'{"text": "x", "finish": "?"}'):
        cache.kept[USABLE, request.cache_key] = record
        with LlmServer(echo) as server:
            answers, _ = ask(make, [request], server, cache=cache)
            assert len(server.asked) == 1
        assert answers[0].text == "answer to question 0"


def test_the_store_keeps_canonical_json_through_a_stages_context(make, tmp_path):
    from graftline.testkit.local import FolderVault

    cache = VaultCache(FolderVault(tmp_path))
    (request,) = make.requests(1)
    with LlmServer(echo) as server:
        ask(make, [request], server, cache=cache)
        _, totals = ask(make, [request], server, cache=cache)
    assert totals.cached == 1
    assert (tmp_path / "cache" / USABLE / request.cache_key).read_text() == canonical_json(
        {
            "text": "answer to question 0",
            "finish": "stop",
            "input_tokens": 2,
            "output_tokens": 4,
            "model": "m",
        }
    )


def test_a_cache_that_fails_ends_the_run(make):
    class Broken(MemoryCache):
        def put(self, namespace, key, value):
            raise TransientError("the store is away")

    with LlmServer() as server, pytest.raises(TransientError, match="the store is away"):
        ask(make, make.requests(5), server, cache=Broken())


def test_a_wrong_answer_is_shown_to_the_model_and_asked_once_more(make):
    def act(asked):
        return Act('{"a": "right"}' if "cannot be used" in asked.prompt else '{"a": 3}')

    cache = MemoryCache()
    requests = make.requests(4, form=make.form)
    with LlmServer(act) as server:
        answers, totals = ask(make, requests, server, cache=cache)
        assert len(server.asked) == 8
        shown = next(asked for asked in server.asked if "cannot be used" in asked.prompt)
        assert shown.body["messages"][1] == {"role": "assistant", "content": '{"a": 3}'}
        assert "$.a: 3 is not of type 'string'" in shown.prompt
        again, second = ask(make, requests, server, cache=cache)
        assert len(server.asked) == 8
    assert answers[0].data == again[0].data == {"a": "right"}
    assert (answers[0].corrected, answers[0].attempts, again[0].attempts) == (1, 2, 0)
    assert answers[0].input_tokens == again[0].input_tokens > 20
    assert (totals.corrected, second.requests, second.cached) == (4, 0, 4)
    assert Counter(namespace for namespace, _ in cache.kept) == {UNUSABLE: 4, USABLE: 4}


def test_answers_that_stay_wrong_are_failures_that_are_not_paid_for_again(make):
    cache = MemoryCache()
    requests = make.requests(3, form=make.form)
    with LlmServer(lambda asked: Act("I would rather not")) as server:
        answers, _ = ask(make, requests, server, cache=cache, corrections=2)
        assert len(server.asked) == 9
        again, totals = ask(make, requests, server, cache=cache, corrections=2)
        assert len(server.asked) == 9
    assert answers[0] == LlmFailure(
        "not-json",
        "not JSON: a value is missing at line 1, column 1",
        raw="I would rather not",
        cached=False,
        attempts=3,
    )
    assert again[0].cached
    assert (totals.failures, totals.requests) == (3, 0)


def test_an_unusable_answer_gives_way_to_a_usable_one_where_that_is_asked_for(make):
    cache = MemoryCache()
    requests = make.requests(3)
    with LlmServer(lambda asked: Act("")) as server:
        ask(make, requests, server, cache=cache, corrections=0)
    with LlmServer(echo) as server:
        answers, _ = ask(make, requests, server, cache=cache, corrections=0, retry_unusable=True)
        assert len(server.asked) == 3
        again, _ = ask(make, requests, server, cache=cache, corrections=0)
        assert len(server.asked) == 3
    assert answers[2].text == again[2].text == "answer to question 2"


def test_repaired_answers_are_counted(make):
    with LlmServer(lambda asked: Act('```json\n{"a": "x",}\n```')) as server:
        answers, totals = ask(make, make.requests(2, form=make.form), server)
    assert answers[1].data == {"a": "x"}
    assert totals.repaired == 2
    assert totals.figures()["llm_repaired"] == 2.0


def test_lone_surrogates_do_not_reach_a_row(make):
    body = '{"choices": [{"message": {"content": "a\\ud800b"}, "finish_reason": "stop"}]}'
    with LlmServer(lambda asked: Act(body=body)) as server:
        answers, _ = ask(make, make.requests(1), server, cache=MemoryCache())
    assert answers[0].text == "a\ufffdb"


def test_tokens_and_money_are_counted_and_unknown_stays_unknown(make):
    prices = {"m": Price(input=1e6, output=2e6)}
    with LlmServer(lambda asked: Act("three words long")) as server:
        answers, totals = ask(make, make.requests(4), server, prices=prices)
        assert totals.cost() == {"input_tokens": 8, "output_tokens": 12, "usd": 32.0}
        assert answers[0].usd == 8.0
        _, unpriced = ask(make, make.requests(4), server)
        assert unpriced.cost() == {"input_tokens": 8, "output_tokens": 12, "usd": None}
    with LlmServer(lambda asked: Act(usage=asked.number > 0)) as server:
        _, totals = ask(make, make.requests(4), server, prices=prices)
    assert totals.cost() == {"input_tokens": None, "output_tokens": None, "usd": None}


@pytest.mark.parametrize("unit", ["tokens", "usd"])
def test_a_spent_budget_stops_cleanly_and_a_larger_one_goes_on(make, unit):
    """Each answer takes 2 + 50 tokens; a request may take up to 158, so 10 to 12 fit in 700."""
    cache = MemoryCache()
    prices = {"m": Price(input=1e6, output=1e6)}

    def budget(limit):
        return {"max_total_tokens": limit} if unit == "tokens" else {"max_cost_usd": float(limit)}

    with LlmServer(lambda asked: Act("w " * 50), latency_s=0.01) as server:
        answered = []
        runtime = make.runtime(server, prices=prices, max_concurrency=4, **budget(700))
        with LlmSession(make.config(), runtime, cache=cache) as llm:
            answers = llm.answer_all(make.requests(40))
            with pytest.raises(BudgetSpent, match="raise the limit"):
                answered.extend(request.tag for request, _ in answers)
            spent = llm.totals.cost()
            assert server.in_flight == 0
            kept = len(cache.kept)
            assert kept == len(server.asked) == llm.totals.replies == len(answered)
            assert 10 <= kept <= 13
            with pytest.raises(BudgetSpent):
                list(llm.answer_all(make.requests(1, start=99)))
        assert spent["input_tokens"] + spent["output_tokens"] <= 700
        answers, totals = ask(
            make, make.requests(40), server, cache=cache, prices=prices, **budget(10_000)
        )
        assert len(server.asked) == 40
    assert totals.cached == kept
    assert len(answers) == 40


def test_stopping_is_noticed_while_nothing_is_answered(make):
    stop = threading.Event()
    with (
        LlmServer(latency_s=30) as server,
        LlmSession(make.config(), make.runtime(server, timeout_s=60), stopping=stop.is_set) as llm,
    ):
        threading.Timer(0.3, stop.set).start()
        started = time.monotonic()
        with pytest.raises(Cancelled):
            list(llm.answer_all(make.requests(10)))
    assert time.monotonic() - started < 5


def test_an_error_in_the_callers_requests_is_the_callers(make):
    def broken():
        yield from make.requests(3)
        raise KeyError("row")

    with LlmServer() as server, LlmSession(make.config(), make.runtime(server)) as llm:
        with pytest.raises(KeyError, match="row"):
            list(llm.answer_all(broken()))
        assert len(list(llm.answer_all(make.requests(5)))) == 5


def test_two_streams_share_a_session(make):
    with LlmServer(echo, latency_s=0.005) as server:
        config, runtime = make.config(), make.runtime(server)
        with LlmSession(config, runtime) as llm:
            pairs = zip(
                llm.answer_all(make.requests(20), in_order=True),
                llm.answer_all(make.requests(20, start=50), in_order=True),
                strict=True,
            )
            tags = [(one[0].tag, two[0].tag) for one, two in pairs]
    assert tags == [(number, number + 50) for number in range(20)]


def test_settings_are_sent_as_they_are(make):
    with LlmServer() as server:
        endpoint = Endpoint(url=server.url + "/", served_model="served")
        config = make.config(temperature=None, top_p=0.5, seed=7)
        with LlmSession(config, make.runtime(endpoint)) as llm:
            llm.answer(make.requests(1, temperature=None, top_p=0.5, seed=7)[0])
        (asked,) = server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.body == {
        "model": "served",
        "messages": [{"role": "user", "content": "question 0"}],
        "max_tokens": 50,
        "top_p": 0.5,
        "seed": 7,
    }
    assert isinstance(make.requests(1)[0].form, TextAnswer)


@pytest.mark.parametrize("mode", [None, "schema", "object", "none"])
def test_a_server_is_told_of_json_as_it_can_understand(make, mode):
    schema = {"type": "json_schema"}
    schema["json_schema"] = {"name": "qa", "schema": make.form.schema, "strict": True}
    told = {"object": {"type": "json_object"}, "none": None}.get(mode, schema)

    def act(asked):
        if asked.body.get("response_format") != told:
            return Act("unsupported response_format", status=400)
        return Act('Sure: {"a": "x"}' if asked.number else "none at all")

    settings = {} if mode is None else {"json_mode": mode}
    with LlmServer(act) as server:
        endpoint = Endpoint(url=server.url, **settings)
        answers, totals = ask(make, make.requests(1, form=make.form), endpoint)
        assert answers[0].data == {"a": "x"}
        assert (totals.requests, totals.corrected) == (2, 1)
        assert list(server.asked[0].body) == [
            *("model", "messages", "max_tokens", "temperature"),
            *(["response_format"] if told else []),
        ]
