"""The pool: which endpoint takes the next request, and when none of them works any more."""

from __future__ import annotations

import asyncio
import math
import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from graftline.errors import TransientError
from graftline.llm.limiter import Limiter
from graftline.llm.wire import WireProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from graftline.llm.config import Endpoint
    from graftline.llm.credentials import ApiKey
    from graftline.llm.limiter import Sending, Trouble
    from graftline.llm.wire import ProblemKind, Wire

_LONGEST_PAUSE_S = 900.0
_REQUESTS_UNTIL_HOPELESS = 10
_DETAIL_CHARACTERS = 300
_LOOPBACK = r"localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]"

TROUBLES: dict[ProblemKind, Trouble] = {
    "unreachable": "unreachable",
    "connection": "failed",
    "timeout": "slow",
    "rate-limited": "throttled",
    "unavailable": "unavailable",
    "server-error": "failed",
    "bad-response": "failed",
}


class Member:
    """An open endpoint of the pool.

    Args:
        endpoint: Its settings.
        wire: The connection to it.
        key: Its API key, to be kept out of messages.
    """

    def __init__(self, endpoint: Endpoint, wire: Wire, key: ApiKey) -> None:
        """Begin with nothing known of it."""
        self.endpoint = endpoint
        self.wire = wire
        self.key = key
        self.limiter = Limiter(endpoint.max_concurrency)
        self.last_problem = ""
        self.answered = 0
        self.bad_requests = 0
        self.used_at = 0
        self._address = _spellings(endpoint.address)

    @property
    def name(self) -> str:
        """How messages call it."""
        return self.endpoint.address

    def clean(self, problem: WireProblem) -> WireProblem:
        """Give a problem in words that may stand in a row.

        The key is hidden before anything is cut; the address may be another one in the next run.
        """
        detail = self._address.sub("(address)", self.key.hide_in(problem.detail))
        return WireProblem(problem.kind, detail[:_DETAIL_CHARACTERS], problem.retry_after_s)


def _spellings(address: str) -> re.Pattern[str]:
    """Match an address as servers and libraries spell it; never a plain word."""
    parts = urlsplit(address)
    host = re.escape(parts.hostname or "")
    spellings = [re.escape(address), rf"https?://(?:{host}|\[{host}\])(?::\d+)?"]
    if parts.port is not None:
        spellings.append(rf"(?:https?://)?(?:{host}|{_LOOPBACK})(?::|'?, ?){parts.port}(?!\d)")
    if "." in host:
        spellings.append(rf"{host}(?![\w-])")
    return re.compile(rf"(?<![\w.-])(?:{'|'.join(spellings)})", re.IGNORECASE)


@dataclass
class Lease:
    """The right to send one request to one endpoint."""

    member: Member
    sending: Sending


@dataclass
class _Waiter:
    future: asyncio.Future[Lease]
    avoid: Member | None


class Pool:
    """Gives each request to the endpoint with the least load, within all limits.

    Args:
        members: The endpoints.
        slots: Requests in flight at most, over all of them.
        wait_s: How long to go on when nothing works.
        say: Takes a line for people.
    """

    def __init__(
        self, members: Sequence[Member], slots: int, wait_s: float, say: Callable[[str], None]
    ) -> None:
        """Begin with all endpoints open."""
        self.members = members
        self._slots = slots
        self._wait_s = wait_s
        self._say = say
        self._in_flight = 0
        self._waiting: deque[_Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._turn = 0
        self.last_answer = -math.inf
        # Since when nothing was answered, and by which requests that was noticed.
        self._failing_since: float | None = None
        self._failing: set[str] = set()
        self._told = False

    async def acquire(self, avoid: Member | None = None) -> Lease:
        """Wait for a free slot.

        Args:
            avoid: The endpoint that has just failed the request: another one is taken if one is
                free.
        """
        waiter = _Waiter(asyncio.get_running_loop().create_future(), avoid)
        # A retry, too, goes behind those that wait: on a broken server, many requests then fail
        # once, which tells it from one request that breaks any server.
        self._waiting.append(waiter)
        self._dispatch()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled():
                self.release(waiter.future.result())
            raise

    def release(self, lease: Lease) -> None:
        """Give a slot back."""
        lease.member.limiter.end()
        self._in_flight -= 1
        self._dispatch()

    def succeeded(self, lease: Lease) -> None:
        """Learn that a request was answered."""
        self.last_answer = self._now()
        lease.member.limiter.succeeded(lease.sending, self.last_answer)
        self._answered(lease.member)

    def proved(self, member: Member) -> None:
        """Learn that an endpoint answers, from a request out of turn."""
        member.limiter.proved(self._now())
        self._answered(member)

    def _answered(self, member: Member) -> None:
        member.answered += 1
        member.bad_requests = 0
        self._works()
        if self._told:
            self._told = False
            self._say(f"{member.name} answers again")

    def _works(self) -> None:
        self._failing_since = None
        self._failing.clear()

    def failed(self, lease: Lease, problem: WireProblem, request_key: str) -> bool:
        """Learn that a request was not answered; say whether nothing has been for too long.

        Raises:
            TransientError: The endpoints ask to be left alone for too long.
        """
        trouble = TROUBLES.get(problem.kind)
        if trouble is None:  # the request's own fault: the endpoint works
            lease.member.limiter.heard()
            self._works()
            return False
        now = self._now()
        member = lease.member
        member.last_problem = problem.detail
        member.limiter.troubled(trouble, lease.sending, now, problem.retry_after_s)
        if self._failing_since is None:
            self._failing_since = now
        self._failing.add(request_key)
        return self._seems_hopeless(now, trouble)

    def _seems_hopeless(self, now: float, trouble: Trouble) -> bool:
        """Tell one bad request from endpoints that do not work."""
        all_down = all(member.limiter.down for member in self.members)
        if all_down and not self._told:
            self._told = True
            self._say(f"no endpoint answers; trying for {self._wait_s:g} s: {self.problems()}")
        closed = min(member.limiter.opens_at for member in self.members) - now
        away = all_down and trouble in ("unreachable", "unavailable") or trouble == "throttled"
        several = len(self._failing) >= _REQUESTS_UNTIL_HOPELESS
        failing_s = now - (self._failing_since or now)
        if closed > _LONGEST_PAUSE_S:
            raise TransientError(
                f"the language model is to be left alone for {closed:.0f} s: {self.problems()}",
                "run the same command again then; what was answered is kept",
            )
        return failing_s >= self._wait_s and (away or several)

    @property
    def has_answered(self) -> bool:
        """Whether any endpoint has answered anything yet."""
        return any(member.answered for member in self.members)

    def hopeless(self) -> TransientError:
        """Word the error for endpoints of which none works."""
        return TransientError(
            f"no endpoint of the language model answers: {self.problems()}",
            "check that the server runs, that its url is right and timeout_s long enough, then "
            "run the same command again; what was answered is kept",
        )

    def problems(self) -> str:
        """Say what is wrong with each endpoint."""
        return "; ".join(
            f"{member.name}: {member.last_problem or 'not asked yet'}" for member in self.members
        )

    def _dispatch(self) -> None:
        """Hand free slots to those who wait, and set an alarm for when a pause ends."""
        now = self._now()
        while self._waiting and self._in_flight < self._slots:
            if self._waiting[0].future.done():
                self._waiting.popleft()
                continue
            member = self._choose(self._waiting[0].avoid, now)
            if member is None:
                self._set_alarm(now)
                return
            waiter = self._waiting.popleft()
            self._in_flight += 1
            self._turn += 1
            member.used_at = self._turn
            waiter.future.set_result(Lease(member, member.limiter.send(now)))

    def _choose(self, avoid: Member | None, now: float) -> Member | None:
        free = [member for member in self.members if member.limiter.has_room(now)]
        return min(
            free,
            key=lambda member: (member is avoid, member.limiter.load, member.used_at),
            default=None,
        )

    def _set_alarm(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        openings = [m.limiter.opens_at for m in self.members if m.limiter.opens_at > now]
        if openings:
            delay = min(openings) - now + 0.001
            self._timer = asyncio.get_running_loop().call_later(delay, self._dispatch)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Close all connections."""
        if self._timer is not None:
            self._timer.cancel()
        for member in self.members:
            await member.wire.close()
