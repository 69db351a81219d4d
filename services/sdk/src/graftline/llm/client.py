"""The client: one answer or one failure for every request, whatever the endpoints do."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from graftline.errors import BugError, ConfigError
from graftline.llm.budget import Budget
from graftline.llm.cache import UNUSABLE, USABLE, Kept, KeptAnswers
from graftline.llm.credentials import read_keys
from graftline.llm.endpoints import check_endpoints
from graftline.llm.exchange import Exchange, conclude, failed, spending_on
from graftline.llm.pool import Member, Pool
from graftline.llm.request import LlmFailure
from graftline.llm.sender import Sender
from graftline.llm.totals import Account, Spending
from graftline.llm.wire import open_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from graftline.llm.cache import AnswerCache
    from graftline.llm.config import LlmConfig, LlmRuntime
    from graftline.llm.request import Answer, LlmRequest
    from graftline.llm.wire import Said


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
        check_endpoints(config, runtime)
        self.account = Account()
        self._config = config
        self._runtime = runtime
        self._kept = KeptAnswers(cache)
        self._say = say
        self._keys = read_keys(runtime.endpoints, variables)
        self._budget = Budget(runtime, config.model)
        self._asking: dict[str, asyncio.Future[Exchange]] = {}
        self._pool: Pool | None = None
        self._sender: Sender | None = None

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
        self._sender = Sender(self._pool, self._budget, self._runtime, self._say)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the endpoints; answers that are being kept are kept first."""
        lost = await self._kept.close()
        if lost:
            self._say(f"{lost} answers were not kept: the store is too slow")
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
        return self._count(request, conclude(exchanges))

    async def recall(self, request: LlmRequest) -> Spending:
        """Give what earlier attempts of a request's account spent on it, as far as it was kept.

        Raises:
            TransientError: The cache cannot be reached.
        """
        spent, current = Spending(), request
        for _ in range(1 + self._config.corrections):
            found = await self._kept.find(current.cache_key)
            if found is None:
                break
            kept = found[1]
            if self._account_of(request).books(current.cache_key, kept.paid_by):
                spent += spending_on(current, kept.said)
            reading = current.form.read(kept.said.text, kept.said.finish)
            if reading.problem is None or not reading.problem.correctable:
                break
            current = current.corrected(reading.text, reading.problem)
        return spent

    def charge(self, spending: Spending) -> None:
        """Let the budget begin with what earlier attempts have spent."""
        self._budget.charge(spending)

    async def _once(self, request: LlmRequest) -> Exchange:
        """Ask a request unless it is answered already, or is just being asked for another one."""
        key = request.cache_key
        while (running := self._asking.get(key)) is not None:
            await asyncio.wait([running])
            if not running.cancelled():
                exchange = running.result()
                if exchange.failure is not None:
                    return replace(exchange, attempts=0)
                return self._taken(request, Kept(exchange.said, exchange.paid_by))
        future = asyncio.get_running_loop().create_future()
        self._asking[key] = future
        try:
            exchange = await self._find(request) or await self._keep(
                request, await self._ask(request)
            )
        except BaseException:
            future.cancel()
            raise
        finally:
            del self._asking[key]
        future.set_result(exchange)
        return exchange

    async def _find(self, request: LlmRequest) -> Exchange | None:
        """Take the answer that is kept, unless it is none that is wanted."""
        found = await self._kept.find(request.cache_key)
        if found is None:
            return None
        namespace, kept = found
        exchange = self._taken(request, kept)
        return None if namespace == UNUSABLE and self._runtime.retry_unusable else exchange

    def _taken(self, request: LlmRequest, kept: Kept) -> Exchange:
        """Take an answer that is there: booked if this account paid for it before, else free."""
        account = self._account_of(request)
        if account.books(request.cache_key, kept.paid_by):
            account.totals.requests += 1
            account.spending += spending_on(request, kept.said)
            return self._exchange(request, kept.said, 1)
        reading = request.form.read(kept.said.text, kept.said.finish)
        return Exchange(kept.said, reading, cached=True, paid_by=kept.paid_by)

    async def _keep(self, request: LlmRequest, exchange: Exchange) -> Exchange:
        """Keep what was said, before anybody is told."""
        if exchange.failure is None:
            namespace = UNUSABLE if exchange.reading.problem else USABLE
            kept = Kept(exchange.said, exchange.paid_by)
            await self._kept.keep(namespace, request.cache_key, kept, request.model)
        return exchange

    async def _ask(self, request: LlmRequest) -> Exchange:
        """Have a request sent; its account pays for the answer."""
        if self._sender is None:
            raise BugError("LlmClient is used before `async with`")
        account = self._account_of(request)
        outcome, sent = await self._sender.ask(request, account)
        if isinstance(outcome, LlmFailure):
            return failed(outcome, sent)
        account.asked(request.cache_key)
        return self._exchange(request, outcome, sent)

    def _exchange(self, request: LlmRequest, said: Said, attempts: int) -> Exchange:
        """Book an answer that the request's account has paid for."""
        account = self._account_of(request)
        usd = self._budget.book(account, said)
        reading = request.form.read(said.text, said.finish)
        return Exchange(
            said, reading, cached=False, attempts=attempts, usd=usd, paid_by=account.name
        )

    def _account_of(self, request: LlmRequest) -> Account:
        return request.account or self.account

    def _count(self, request: LlmRequest, answer: Answer) -> Answer:
        totals = self._account_of(request).totals
        totals.cached += answer.cached
        if isinstance(answer, LlmFailure):
            totals.failures += 1
        else:
            totals.replies += 1
            totals.repaired += answer.repaired
            totals.corrected += answer.corrected > 0
        return answer
