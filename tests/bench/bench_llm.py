"""The LLM client against servers of known capacity: requests a second, as a share of that.

Each server is a process that takes a fixed time for an answer and works on a fixed number at once
(`slots / latency` requests a second, whatever the client does). The client is measured on 1, 2 and
8 of them, from its first request to its last answer, warm-up and tail included, with twice as many
requests in flight as a server works on, so that the next one is there when a slot falls free.
Beside it stands the provider's own library, used as its documentation shows: one client for each
server, requests dealt out evenly in advance through a semaphore of the same size. In the last row
the servers refuse with a 429 what they cannot take, and the client has to find out what they can.

Then the real thing: llama.cpp servers of the small model (`graftline_llm serve`, one a core, as the
local engine starts them), in tokens written a second. Both ways send the same requests, in turns,
with as many in flight as the servers have slots; what they differ by is what the client costs.

    python tests/bench/bench_llm.py [--seconds 5] [--latency 0.25] [--slots 4] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from graftline.domain.answers import TextAnswer
from graftline.llm.config import Endpoint, LlmConfig, LlmRuntime
from graftline.llm.request import LlmReply, LlmRequest, Message
from graftline.llm.session import LlmSession
from graftline.llm.totals import Totals

TARGET = 0.95
CONFIG = LlmConfig(model="bench", max_tokens=64, corrections=0)
# In turns, so that what else the machine does meets both alike; each comes after each as often.
TURNS = ("ours", "library", "library", "ours", "ours", "library")
REAL_REQUESTS = 16
PROMPT = "Write three questions and answers about this paragraph. " + "Some words of a text. " * 40


@contextmanager
def server(latency: float, slots: int, *, reject: bool) -> Iterator[str]:
    """A server in a process of its own; gives its url."""
    command = [sys.executable, "-m", "graftline.testkit.llm"]
    command += ["--latency", str(latency), "--slots", str(slots)]
    command += ["--reject"] if reject else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


@contextmanager
def llama_cpp(slots: int) -> Iterator[list[str]]:
    """Real servers of a small model, one a core, in a process of their own; gives their urls."""
    command = [sys.executable, "-m", "graftline_llm", "serve", "--address", "127.0.0.1:0"]
    replicas = min(os.cpu_count() or 1, 4)
    command += ["--replicas", str(replicas), "--slots", str(slots), "--threads", "1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["urls"]
        finally:
            process.kill()


def ours(urls: list[str], in_flight: int, count: int) -> tuple[float, Totals]:
    """Seconds that the client takes for `count` requests, and its accounts."""
    runtime = LlmRuntime(
        endpoints=[Endpoint(url=url, max_concurrency=in_flight) for url in urls], attempts=50
    )
    requests = (
        LlmRequest.of(CONFIG, [Message("user", f"{PROMPT} {number}")], TextAnswer())
        for number in range(count)
    )
    with LlmSession(CONFIG, runtime) as llm:
        start = time.perf_counter()
        answers = [answer for _, answer in llm.answer_all(requests)]
        seconds = time.perf_counter() - start
        # A real model is cut off at its last token; that is an answer here.
        given = [isinstance(a, LlmReply) or a.reason == "truncated" for a in answers]
        assert sum(given) == count
        return seconds, llm.totals


def by_hand(urls: list[str], in_flight: int, count: int) -> tuple[float, int]:
    """Seconds that the library alone takes, and the tokens that were written."""
    import openai

    async def run() -> tuple[float, int]:
        clients = [openai.AsyncOpenAI(api_key="none", base_url=url) for url in urls]
        gates = [asyncio.Semaphore(in_flight) for _ in urls]

        async def ask(number: int) -> int:
            which = number % len(urls)
            async with gates[which]:
                answer = await clients[which].chat.completions.create(
                    model="bench",
                    max_tokens=64,
                    temperature=0.0,
                    messages=[{"role": "user", "content": f"{PROMPT} {number}"}],
                )
                assert answer.usage is not None
                return answer.usage.completion_tokens

        start = time.perf_counter()
        written = await asyncio.gather(*(ask(number) for number in range(count)))
        seconds = time.perf_counter() - start
        for client in clients:
            await client.close()
        return seconds, sum(written)

    return asyncio.run(run())


def rate(count: int, seconds: float, capacity: float) -> dict[str, float]:
    """Answers a second, and their share of the capacity."""
    return {
        "per_s": round(count / seconds, 1),
        "share": round(count / seconds / capacity, 4),
    }


def measure(
    servers: int, latency: float, slots: int, seconds: float, *, reject: bool
) -> dict[str, object]:
    """Time both ways on fresh servers."""
    capacity = servers * slots / latency
    count = int(seconds * capacity)
    with ExitStack() as stack:
        urls = [stack.enter_context(server(latency, slots, reject=reject)) for _ in range(servers)]
        before = time.process_time()
        took, totals = ours(urls, 2 * slots, count)
        cpu = time.process_time() - before
    row: dict[str, object] = {
        "servers": servers,
        "excess": "429" if reject else "queues",
        "requests": count,
        "capacity_per_s": capacity,
        "ours": rate(count, took, capacity),
        "retries": totals.retries,
        "ours_cpu_ms_per_request": round(1000 * cpu / count, 2),
    }
    if not reject:
        with ExitStack() as stack:
            urls = [
                stack.enter_context(server(latency, slots, reject=False)) for _ in range(servers)
            ]
            took, _ = by_hand(urls, 2 * slots, count)
        row["library"] = rate(count, took, capacity)
    return row


def measure_real(slots: int) -> dict[str, object]:
    """Give the tokens a second of both ways on real servers: each turn's, and the medians."""
    rates: dict[str, list[float]] = {"ours": [], "library": []}
    with llama_cpp(slots) as urls:
        by_hand(urls, slots, slots * len(urls))  # the prompt's beginning is read by every slot
        for way in TURNS:
            if way == "ours":
                seconds, totals = ours(urls, slots, REAL_REQUESTS)
                tokens = totals.output_tokens or 0
            else:
                seconds, tokens = by_hand(urls, slots, REAL_REQUESTS)
            rates[way].append(round(tokens / seconds, 1))
    middle = {way: statistics.median(found) for way, found in rates.items()}
    return {
        "servers": len(urls),
        "slots": slots,
        "requests": REAL_REQUESTS,
        "tokens_per_s": rates,
        "ours": middle["ours"],
        "library": middle["library"],
        "share": round(middle["ours"] / middle["library"], 4),
    }


def main() -> None:
    """Measure, print a table, and JSON last."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of work for each measurement")
    parser.add_argument("--latency", type=float, default=0.25)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    import openai  # noqa: F401  # its import takes a second, which is nobody's throughput

    rows = [
        measure(servers, options.latency, options.slots, options.seconds, reject=reject)
        for servers, reject in ((1, False), (2, False), (8, False), (2, True))
    ]
    head = f"{'servers':>7} {'excess':>7} {'capacity/s':>11} {'ours/s':>8} {'share':>7}"
    print(f"{head} {'library/s':>10} {'share':>7} {'retries':>8} {'CPU ms':>7}")
    for row in rows:
        cells = [f"{row['servers']:>7} {row['excess']:>7} {row['capacity_per_s']:>11}"]
        for name, width in (("ours", 8), ("library", 10)):
            found = row.get(name, dict.fromkeys(("per_s", "share"), "-"))
            assert isinstance(found, dict)
            cells.append(f"{found['per_s']:>{width}} {found['share']:>7}")
        print(*cells, f"{row['retries']:>8} {row['ours_cpu_ms_per_request']:>7}")
    real = measure_real(options.slots)
    print(
        f"llama.cpp, {real['servers']} servers of {real['slots']} slots, tokens/s:"
        f" ours {real['ours']}, library {real['library']}, share {real['share']}"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result: dict[str, object] = {
        "rows": rows,
        "llama_cpp": real,
        "target": TARGET,
        "latency_s": options.latency,
        "slots": options.slots,
        "peak_memory_mib": round(peak),
    }
    # What else the machine was doing: shares of a busy machine are noise.
    result |= {"cpus": os.cpu_count(), "load": [round(load, 2), round(os.getloadavg()[0], 2)]}
    print(json.dumps(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
