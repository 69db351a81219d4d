"""The client for stages, which are plain functions: requests in, answers out, in bounded memory."""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from graftline.errors import BugError, Cancelled
from graftline.llm.client import LlmClient
from graftline.llm.errors import BudgetSpent

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
    from types import TracebackType

    from graftline.llm.cache import AnswerCache
    from graftline.llm.config import LlmConfig, LlmRuntime
    from graftline.llm.request import Answer, LlmRequest
    from graftline.llm.totals import Spending, Totals

_POLL_S = 0.2
_SPARE = 16

ResultT = TypeVar("ResultT")


class LlmSession:
    """Asks from a thread of its own; a context manager.

    Args:
        config: What decides the answers.
        runtime: Endpoints, limits, prices; of a step with ranks, `runtime.share(ctx.ranks)`.
        cache: Where answers are kept (`VaultCache(ctx)`).
        log: Takes a line for people (`ctx.log`).
        stopping: Says whether somebody asked to stop (`lambda: ctx.stopping`).
        environment: Where API keys are looked up by name; the process's if not given.

    Raises:
        ConfigError: The settings cannot be meant, or keys are missing.
    """

    def __init__(
        self,
        config: LlmConfig,
        runtime: LlmRuntime,
        *,
        cache: AnswerCache | None = None,
        log: Callable[[str], None] = lambda line: None,
        stopping: Callable[[], bool] = lambda: False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Check the settings; nothing is sent yet."""
        self._client = LlmClient(config, runtime, cache=cache, say=log, environment=environment)
        self._slots = self._client.slots
        self._stopping = stopping
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def totals(self) -> Totals:
        """The accounts so far, of requests that have no account of their own."""
        return self._client.account.totals

    def __enter__(self) -> Self:
        """Open the endpoints."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="llm", daemon=True)
        self._thread.start()
        try:
            self._wait(self._client.__aenter__())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop what is still under way, keep what was answered, and close the endpoints."""
        try:
            self._wait(self._leave())
        finally:
            self._end()

    def answer(self, request: LlmRequest) -> Answer:
        """Answer one request.

        Raises:
            GraftlineError: As `LlmClient.answer`.
        """
        answer: Answer = self._wait(self._client.answer(request))
        return answer

    def answer_all(
        self, requests: Iterable[LlmRequest], *, in_order: bool = False
    ) -> Iterator[tuple[LlmRequest, Answer]]:
        """Answer a stream of requests: each comes back once, with its reply or its failure.

        Requests are taken from the iterable, in the caller's thread, as fast as they can be
        worked on; a few times as many as there are slots are under way at once, however many
        there are. What is given has been kept in the cache before. Leaving the loop drops what is
        under way.

        Args:
            requests: The requests.
            in_order: Whether answers come in the order of the requests, not as they are ready.

        Raises:
            BudgetSpent: After the answers to all that was in flight have been given.
            Cancelled: Somebody asked to stop.
            GraftlineError: As `LlmClient.answer`, at once.
        """
        window = self._slots * (8 if in_order else 2) + _SPARE
        run = _Run(self._running(), self._client.answer, iter(requests), window, in_order=in_order)
        try:
            yield from run.answers(self._stopping)
        finally:
            run.drop()

    def recall_all(self, requests: Iterable[LlmRequest]) -> Iterator[Spending]:
        """Give what earlier attempts of the requests' accounts spent on each; nothing is asked.

        What is given counts as booked there: to ask the same requests, give them new accounts.

        Raises:
            Cancelled: Somebody asked to stop.
            TransientError: The cache cannot be reached.
        """
        run = _Run(self._running(), self._client.recall, iter(requests), _SPARE, in_order=False)
        try:
            for _, spending in run.answers(self._stopping):
                yield spending
        finally:
            run.drop()

    def charge(self, spending: Spending) -> None:
        """Let the budget begin with what earlier attempts have spent, before anything is asked."""
        self._client.charge(spending)

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        if self._loop is None:
            work.close()
        return asyncio.run_coroutine_threadsafe(work, self._running()).result()

    async def _leave(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.__aexit__(None, None, None)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise BugError("LlmSession is used outside its `with`")
        return self._loop

    def _end(self) -> None:
        loop, self._loop = self._running(), None
        loop.call_soon_threadsafe(loop.stop)
        if self._thread is not None:
            self._thread.join()
        loop.close()


class _Run(Generic[ResultT]):
    """One stream of requests on its way through a client."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Callable[[LlmRequest], Coroutine[Any, Any, ResultT]],
        requests: Iterator[LlmRequest],
        window: int,
        *,
        in_order: bool,
    ) -> None:
        self._loop = loop
        self._work = work
        self._requests = requests
        self._window = window
        self._in_order = in_order
        self._under_way: dict[int, tuple[LlmRequest, Future[ResultT]]] = {}
        self._ready: dict[int, tuple[LlmRequest, ResultT]] = {}
        self._done: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._taken = 0
        self._given = 0
        self._spent: BudgetSpent | None = None

    def answers(self, stopping: Callable[[], bool]) -> Iterator[tuple[LlmRequest, ResultT]]:
        more = True
        while True:
            while more and len(self._under_way) + len(self._ready) < self._window:
                more = self._spent is None and self._take()
            if not self._under_way:
                break
            self._collect(stopping)
            yield from self._give()
        if self._spent is not None:
            raise self._spent

    def drop(self) -> None:
        for _, future in self._under_way.values():
            future.cancel()
        self._under_way.clear()

    def _take(self) -> bool:
        """Start the next request; False if there is none."""
        request = next(self._requests, None)
        if request is None:
            return False
        number = self._taken
        self._taken += 1
        future = asyncio.run_coroutine_threadsafe(self._work(request), self._loop)
        self._under_way[number] = (request, future)
        future.add_done_callback(lambda _: self._done.put(number))
        return True

    def _collect(self, stopping: Callable[[], bool]) -> None:
        """Wait for a request to end."""
        while True:
            if stopping():
                raise Cancelled("stopped on request")
            try:
                number = self._done.get(timeout=_POLL_S)
                break
            except queue.Empty:
                continue
        request, future = self._under_way.pop(number)
        try:
            self._ready[number] = (request, future.result())
        except BudgetSpent as error:
            self._spent = error

    def _give(self) -> Iterator[tuple[LlmRequest, ResultT]]:
        """Give what is ready; in order, only up to the first that is not."""
        if not self._in_order:
            ready, self._ready = self._ready, {}
            yield from ready.values()
            return
        while self._given in self._ready:
            item = self._ready.pop(self._given)
            self._given += 1
            yield item
