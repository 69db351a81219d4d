"""The client: one answer or one failure for every request, whatever the endpoints do."""

from __future__ import annotations

import asyncio
import os
import random
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from graftline.errors import BugError, ConfigError, Problem
from graftline.llm.budget import Budget, Spending
from graftline.llm.cache import UNUSABLE, USABLE, pack, unpack
from graftline.llm.credentials import read_keys
from graftline.llm.exchange import Exchange, conclude, failed
from graftline.llm.pool import Member, Pool
from graftline.llm.request import LlmFailure
from graftline.llm.totals import Totals
from graftline.llm.wire import Said, WireProblem, open_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from graftline.llm.cache import AnswerCache
    from graftline.llm.config import LlmConfig, LlmRuntime
    from graftline.llm.pool import Lease
    from graftline.llm.request import Answer, LlmRequest

_CACHE_THREADS = 8
_BAD_REQUESTS_UNTIL_CONFIG = 3
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# Of the request itself: another attempt would end the same.
_FINAL = ("too-long", "content-filter", "bad-request", "not-allowed")
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 0.25, 10.0


class LlmClient:
    """Asks a pool of endpoints; an async context manager, for one event loop.

    Args:
        config: What decides the answers; its `model` is the only one that is asked.
        runtime: Endpoints, limits, prices.
        cache: Where answers are kept; without one, each request is asked.
        say: Takes a line for people.
        environment: Where API keys are looked up by name.

    Raises:
        ConfigError: There are no endpoints, keys are missing, a library is not installed, or
            money is limited without a price.
    """

    def __init__(
        self,
        config: LlmConfig,
        runtime: LlmRuntime,
        *,
        cache: AnswerCache | None = None,
        say: Callable[[str], None] = lambda line: None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Read the keys and check the settings; nothing is sent yet."""
        variables = os.environ if environment is None else environment
        runtime = runtime.located(variables)
        _check_endpoints(config, runtime)
        self.totals = Totals()
        self._config = config
        self._runtime = runtime
        self._cache = cache
        self._say = say
        self._keys = read_keys(runtime.endpoints, variables)
        self._budget = Budget(runtime, config.model)
        self._threads = ThreadPoolExecutor(_CACHE_THREADS, thread_name_prefix="llm-cache")
        self._asking: dict[str, asyncio.Future[Exchange]] = {}
        self._jitter = random.Random()
        self._pool: Pool | None = None

    @property
    def slots(self) -> int:
        """How many requests may be in flight at once."""
        return self._runtime.slots

    async def __aenter__(self) -> Self:
        """Open the endpoints."""
        members = [
            Member(endpoint, open_wire(endpoint, key, self._runtime.timeout_s), key)
            for endpoint, key in zip(self._runtime.endpoints, self._keys, strict=True)
        ]
        self._pool = Pool(members, self._runtime.slots, self._runtime.wait_s, self._say)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the endpoints; answers that are being kept are kept first."""
        self._threads.shutdown(wait=True)
        if self._pool is not None:
            await self._pool.close()

    async def answer(self, request: LlmRequest) -> Answer:
        """Answer a request out of the cache, or ask until there is an answer or no hope.

        Raises:
            BudgetSpent: It would cost more than is allowed.
            ConfigError: An endpoint refuses every request as it is set up.
            TransientError: No endpoint answers, or the cache cannot be reached.
        """
        if request.model != self._config.model:
            raise ConfigError(
                f"a request for '{request.model}' reached a client for '{self._config.model}'"
            )
        exchanges: list[Exchange] = []
        current = request
        while True:
            exchange = await self._once(current)
            exchanges.append(exchange)
            reading = exchange.reading
            if exchange.failure is not None or reading.problem is None:
                break
            if not reading.problem.correctable or len(exchanges) > self._config.corrections:
                break
            current = current.corrected(reading.text, reading.problem)
        return self._count(conclude(exchanges))

    async def _once(self, request: LlmRequest) -> Exchange:
        """Ask a request unless it is answered already, or is just being asked for another one."""
        key = request.cache_key
        while (running := self._asking.get(key)) is not None:
            await asyncio.wait([running])
            if not running.cancelled():
                return replace(running.result(), cached=True, attempts=0, usd=0.0)
        future = asyncio.get_running_loop().create_future()
        self._asking[key] = future
        try:
            exchange = await self._kept(request) or await self._keep(
                request, await self._ask(request)
            )
        except BaseException:
            future.cancel()
            raise
        finally:
            del self._asking[key]
        future.set_result(exchange)
        return exchange

    async def _kept(self, request: LlmRequest) -> Exchange | None:
        """Look an answer up."""
        cache, key = self._cache, request.cache_key
        if cache is None:
            return None

        namespaces = (USABLE,) if self._runtime.retry_unusable else (USABLE, UNUSABLE)

        def look_up() -> Said | None:
            for namespace in namespaces:
                record = cache.get(namespace, key)
                said = unpack(record) if record is not None else None
                if said is not None:
                    return said
            return None

        said = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        if said is None:
            return None
        return Exchange(said, request.form.read(said.text, said.finish), cached=True)

    async def _keep(self, request: LlmRequest, exchange: Exchange) -> Exchange:
        """Keep what was said, before anybody is told."""
        cache = self._cache
        if cache is not None and exchange.failure is None:
            namespace = UNUSABLE if exchange.reading.problem else USABLE
            record = pack(exchange.said, request.model)
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(
                self._threads, cache.put, namespace, request.cache_key, record
            )
        return exchange

    async def _ask(self, request: LlmRequest) -> Exchange:
        """Send a request until it is answered, or as often as is allowed."""
        pool = self._open_pool()
        sent = counted = 0
        first_sent = asyncio.get_running_loop().time()
        avoid: Member | None = None
        while True:
            lease = await pool.acquire(avoid)
            avoid = lease.member
            try:
                outcome = await self._send(request, lease, again=sent > 0)
                sent += 1
                if isinstance(outcome, Said):
                    pool.succeeded(lease)
                    lease.member.bad_requests = 0
                    return self._exchange(request, outcome, sent)
                pool.failed(lease, outcome, request.cache_key)
            finally:
                pool.release(lease)
            self._raise_if_misconfigured(lease.member, outcome)
            # An endpoint that is away says nothing about the request; the pool has patience.
            away = outcome.kind in ("unreachable", "unavailable")
            counted += not (away and lease.member.limiter.last_success < first_sent)
            if outcome.kind in _FINAL or counted >= self._runtime.attempts:
                if outcome.kind not in _FINAL and not pool.has_answered:
                    raise pool.hopeless()
                detail = lease.member.key.hide_in(f"{lease.member.name}: {outcome.detail}")
                kind = "bad-request" if outcome.kind == "not-allowed" else outcome.kind
                return failed(LlmFailure(kind, detail), sent)
            if not away and outcome.kind != "rate-limited":
                longest = min(_FIRST_BACKOFF_S * 2**counted, _LONGEST_BACKOFF_S)
                await asyncio.sleep(self._jitter.uniform(longest / 2, longest))

    async def _send(self, request: LlmRequest, lease: Lease, *, again: bool) -> Said | WireProblem:
        """Send a request once, within the budget and the time-out."""
        held = await self._budget.hold(request.most_input_tokens, request.max_tokens)
        # What breaks off may have been worked on, and be charged for.
        took = held
        try:
            self.totals.requests += 1
            self.totals.retries += again
            async with asyncio.timeout(self._runtime.timeout_s):
                said = await lease.member.wire.ask(request)
            said = replace(said, text=_LONE_SURROGATE.sub("\ufffd", said.text))
            took = self._spending(said, held)
            return said
        except TimeoutError:
            return WireProblem("timeout", f"no answer within {self._runtime.timeout_s:g} s")
        except WireProblem as problem:
            if problem.kind not in ("timeout", "connection", "bad-response"):
                took = Spending(0, 0.0)
            if problem.kind == "not-found" and lease.member.answered:
                return WireProblem("server-error", problem.detail)  # it was found before
            return problem
        finally:
            self._budget.settle(held, took)

    def _spending(self, said: Said, held: Spending) -> Spending:
        """Give what an answer took; the most that it may have taken where that is not said."""
        if said.input_tokens is None or said.output_tokens is None:
            return held
        usd = self._budget.cost_usd(said.input_tokens, said.output_tokens)
        return Spending(said.input_tokens + said.output_tokens, usd or 0.0)

    def _exchange(self, request: LlmRequest, said: Said, attempts: int) -> Exchange:
        usd = None
        if said.input_tokens is not None and said.output_tokens is not None:
            usd = self._budget.cost_usd(said.input_tokens, said.output_tokens)
        self.totals.add_cost(said.input_tokens, said.output_tokens, usd)
        reading = request.form.read(said.text, said.finish)
        return Exchange(said, reading, cached=False, attempts=attempts, usd=usd)

    def _raise_if_misconfigured(self, member: Member, problem: WireProblem) -> None:
        """Tell a request that an endpoint refuses from an endpoint that refuses every request.

        Raises:
            ConfigError: It does.
        """
        if problem.kind in ("bad-request", "not-allowed"):
            member.bad_requests += 1
        every = member.bad_requests >= _BAD_REQUESTS_UNTIL_CONFIG
        fatal = {
            "not-allowed": every or not member.answered,
            "bad-request": every and not member.answered,
            "not-found": True,
            "no-credit": True,
        }
        if fatal.get(problem.kind, False):
            cause, hint = _misconfigured(member, problem, self._config.model)
            raise ConfigError(member.key.hide_in(cause), hint)

    def _count(self, answer: Answer) -> Answer:
        totals = self.totals
        totals.cached += answer.cached
        if isinstance(answer, LlmFailure):
            totals.failures += 1
        else:
            totals.replies += 1
            totals.repaired += answer.repaired
            totals.corrected += answer.corrected > 0
        return answer

    def _open_pool(self) -> Pool:
        if self._pool is None:
            raise BugError("LlmClient is used before `async with`")
        return self._pool


def _check_endpoints(config: LlmConfig, runtime: LlmRuntime) -> None:
    """Refuse settings that are in the key and would not decide the answers.

    Raises:
        ConfigError: There are no endpoints, one does not serve the model, or its API lacks a
            setting.
    """
    if not runtime.endpoints:
        raise ConfigError(
            "no endpoint for the language model", "set endpoints=[{url: http://HOST:PORT/v1}]"
        )
    for endpoint in runtime.endpoints:
        if endpoint.models and config.model not in endpoint.models:
            served = ", ".join(f"'{name}'" for name in endpoint.models)
            raise ConfigError(
                f"the server at {endpoint.address} serves {served}, not '{config.model}'",
                "set endpoints to servers of that model, or ask for one that is served",
            )
    problems = [
        Problem(name, f"the Anthropic API has no such setting (since 2026-10-21): set {name}: null")
        for name in ("temperature", "top_p", "seed")
        if getattr(config, name) is not None
        and any(endpoint.kind == "anthropic" for endpoint in runtime.endpoints)
    ]
    if problems:
        raise ConfigError.of(problems, "the language model")


def _misconfigured(member: Member, problem: WireProblem, model: str) -> tuple[str, str]:
    """Say what is wrong with an endpoint's setup, and what to do."""
    endpoint, name = member.endpoint, member.name
    key = endpoint.api_key_env or endpoint.api_key_file
    served = endpoint.served_model or model
    match problem.kind:
        case "not-allowed":
            hint = f"check the API key in {key}" if key else "it wants an API key: set api_key_env"
            return f"{name} does not let us in: {problem.detail}", hint
        case "not-found":
            return (
                f"{name} does not serve '{served}': {problem.detail}",
                "check the model's name (or set served_model), and that url ends where the API "
                "begins (…/v1)",
            )
        case "no-credit":
            return (
                f"{name}: the account has no credit left: {problem.detail}",
                "top it up and run the same command again; what was answered is kept",
            )
    return (
        f"{name} refuses every request: {problem.detail}",
        "change the setting that it names (null leaves temperature, top_p and seed out)",
    )
