"""The sender: a request goes out until it is answered, or is known not to be."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from graftline.errors import ConfigError
from graftline.llm.endpoints import misconfigured
from graftline.llm.exchange import spending_on
from graftline.llm.pool import TROUBLES
from graftline.llm.request import LlmFailure
from graftline.llm.totals import Spending
from graftline.llm.wire import Said, WireProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from graftline.llm.budget import Budget
    from graftline.llm.config import LlmRuntime
    from graftline.llm.pool import Member, Pool
    from graftline.llm.request import LlmRequest
    from graftline.llm.totals import Account
    from graftline.llm.wire import ProblemKind

_BAD_REQUESTS_UNTIL_CONFIG = 3
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# Of the request itself: another attempt would end the same.
_FINAL = ("too-long", "content-filter", "bad-request", "not-allowed")
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 0.25, 10.0


class Sender:
    """Sends requests through a pool, within the budget.

    That a request fails, or many of them, may be the fault of the endpoint or theirs, and when a
    step goes on after an interruption, those that fail may be all that is left of it. So before an
    endpoint is found at fault it is asked something harmless.

    Args:
        pool: The endpoints.
        budget: What may be spent.
        runtime: Limits.
        say: Takes a line for people.
    """

    def __init__(
        self, pool: Pool, budget: Budget, runtime: LlmRuntime, say: Callable[[str], None]
    ) -> None:
        """Begin with nothing known of the endpoints."""
        self._pool = pool
        self._budget = budget
        self._runtime = runtime
        self._say = say
        self._jitter = random.Random()
        self._proving = asyncio.Lock()
        self._told: set[tuple[Member, ProblemKind]] = set()

    async def ask(self, request: LlmRequest, account: Account) -> tuple[Said | LlmFailure, int]:
        """Send a request until it is answered, or as often as is allowed; say how often it was.

        Raises:
            BudgetSpent: It would cost more than is allowed.
            ConfigError: An endpoint refuses every request as it is set up.
            TransientError: No endpoint answers.
        """
        pool = self._pool
        sent = counted = throttled = 0
        first_sent = self._now()
        avoid: Member | None = None
        while True:
            lease = await pool.acquire(avoid)
            avoid = member = lease.member
            try:
                outcome = await self._send(request, account, member, again=sent > 0)
                sent += 1
                if isinstance(outcome, Said):
                    pool.succeeded(lease)
                    return outcome, sent
                throttled += outcome.kind == "rate-limited"
                silent = pool.failed(lease, outcome, request.cache_key)
                counted += self._counts(outcome, member, first_sent)
                over = outcome.kind in _FINAL or counted >= self._runtime.attempts
                unproved = over and outcome.kind not in _FINAL and not pool.has_answered
                if _refuses_all(member, outcome):
                    await self._prove([member], outcome, request, account)
                elif silent or unproved:
                    await self._prove(pool.members, outcome, request, account)
            finally:
                pool.release(lease)
            if over:
                return self._failure(member, outcome), sent
            # An endpoint that is away, or refuses for the first time, is paused as a whole.
            tries = throttled - 1 if outcome.kind == "rate-limited" else counted
            if outcome.kind not in ("unreachable", "unavailable") and tries:
                longest = min(_FIRST_BACKOFF_S * 2.0 ** min(tries, 10), _LONGEST_BACKOFF_S)
                await asyncio.sleep(self._jitter.uniform(longest / 2, longest))

    def _counts(self, problem: WireProblem, member: Member, first_sent: float) -> bool:
        """Whether a problem uses up one of the request's attempts.

        An endpoint that is away says nothing about the request; the pool has patience. Nor does
        one that wants fewer requests, as long as any are answered now and then.
        """
        if problem.kind in ("unreachable", "unavailable"):
            return member.limiter.last_success >= first_sent
        if problem.kind == "rate-limited":
            since = max(self._pool.last_answer, first_sent)
            return self._now() - since >= self._runtime.wait_s
        return True

    async def _send(
        self, request: LlmRequest, account: Account, member: Member, *, again: bool
    ) -> Said | WireProblem:
        """Send a request once, within the budget and the time-out."""
        held = await self._budget.hold(request.most_input_tokens, request.max_tokens)
        # What breaks off may have been worked on, and be charged for.
        took = held
        try:
            account.totals.requests += 1
            account.totals.retries += again
            async with asyncio.timeout(self._runtime.timeout_s):
                said = await member.wire.ask(request)
            said = replace(said, text=_LONE_SURROGATE.sub("\ufffd", said.text))
            took = spending_on(request, said)
            return said
        except TimeoutError:
            return WireProblem("timeout", f"no answer within {self._runtime.timeout_s:g} s")
        except WireProblem as problem:
            if problem.kind not in ("timeout", "connection", "bad-response"):
                took = Spending()
            cleaned = member.clean(problem)
            if problem.kind == "not-found" and member.answered:
                return WireProblem("server-error", cleaned.detail)  # it was found before
            return cleaned
        finally:
            self._budget.settle(held, took)
            account.spending += took

    async def _prove(
        self,
        members: Sequence[Member],
        problem: WireProblem,
        request: LlmRequest,
        account: Account,
    ) -> None:
        """Find out whether any of some endpoints answers anything.

        Raises:
            ConfigError: They refuse whatever they are asked.
            TransientError: They do not work.
        """
        since = self._now()
        async with self._proving:
            if any(member.limiter.last_success >= since for member in members):
                return
            outcomes: Sequence[Said | WireProblem] = [problem]
            if problem.kind != "no-credit":  # what costs less might still be paid for
                probe = request.probe()
                outcomes = await asyncio.gather(
                    *(self._send(probe, account, member, again=False) for member in members)
                )
            for member, outcome in zip(members, outcomes, strict=True):
                if isinstance(outcome, Said):
                    self._budget.book(account, outcome)
                    self._pool.proved(member)
        if any(isinstance(outcome, Said) for outcome in outcomes):
            return
        for member, outcome in zip(members, outcomes, strict=True):
            if isinstance(outcome, WireProblem) and outcome.kind not in TROUBLES:
                raise ConfigError(*misconfigured(member, outcome, request.model))
        raise self._pool.hopeless()

    def _failure(self, member: Member, problem: WireProblem) -> LlmFailure:
        """Give up a request; where it was sent is told once, and stands in no row."""
        kind = "bad-request" if problem.kind == "not-allowed" else problem.kind
        if (member, kind) not in self._told:
            self._told.add((member, kind))
            self._say(f"{member.name}: the first request that fails ({kind}): {problem.detail}")
        return LlmFailure(kind, problem.detail)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _refuses_all(member: Member, problem: WireProblem) -> bool:
    """Whether an endpoint seems to refuse every request, not only this one."""
    if problem.kind in ("bad-request", "not-allowed"):
        member.bad_requests += 1
    every = member.bad_requests >= _BAD_REQUESTS_UNTIL_CONFIG
    return {
        "not-allowed": every or not member.answered,
        "bad-request": every and not member.answered,
        "not-found": True,
        "no-credit": True,
    }.get(problem.kind, False)
