"""kill -9 while a language model is asked: nothing finished is asked again, nothing lost or twice.

Real processes of the stages, a real store, and a server that counts what it is asked.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from graftline import CONTRACT_VERSION
from graftline.canonical import canonical_json, sha256_text
from graftline.domain.documents import CHUNKS, chunk_id
from graftline.domain.examples import example, message
from graftline.domain.rows import EXAMPLES, RowWriter
from graftline.ports import kind_value
from graftline.store import Manifests, Store, describe_folder
from graftline.testkit.llm import Act, LlmServer
from graftline.v1 import manifest_pb2, stage_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from graftline.store import EmbeddedStore
    from graftline.testkit.llm import Asked

pytestmark = [pytest.mark.fault, pytest.mark.slow]

ROWS = 200
SLOTS = 4
# Requests that a client has under way at once (`LlmSession.answer_all`).
UNDER_WAY = 2 * SLOTS + 16
KILLS = 6
_TOPIC = re.compile(r"topic(\d+)x")


@dataclass(frozen=True)
class Case:
    """A stage that asks: what it reads, how it is set, and what the model says to it."""

    stage: str
    port: str
    schema: pa.Schema
    row: Callable[[int], dict[str, Any]]
    config: dict[str, Any]
    says: Callable[[str], dict[str, Any]]


def chunk(number: int) -> dict[str, Any]:
    """A chunk about a topic of its own."""
    text = f"Here topic{number}x is told."
    return {
        "id": chunk_id("d", number, number + 1),
        "parents": ["d"],
        "source": {"document": "d", "start": number, "end": number + 1},
        **{"group": "d", "split": "train", "index": number, "count": ROWS, "text": text},
        **{"tokens": None, "headings": [], "path": "a.md", "media_type": "", "meta": "{}"},
    }


def question(number: int) -> dict[str, Any]:
    """A question about a topic of its own, with its answer and source."""
    messages = [message("user", f"What is topic{number}x?"), message("assistant", "A thing.")]
    meta = {"source_text": f"It is a thing, topic{number}x."}
    return example(messages=messages, split="train", group="d", task="qa", meta=meta)


def pairs(topic: str) -> dict[str, Any]:
    """What a model writes about a chunk."""
    return {"pairs": [{"question": f"What of topic{topic}x?", "answer": f"All of {topic}."}]}


def judgement(topic: str) -> dict[str, Any]:
    """What a judge says."""
    score = int(topic) % 11
    scores = dict.fromkeys(("factual_accuracy", "completeness", "consistency"), score)
    return {"issues": [], **scores, "recommendation": f"Keep topic{topic}x."}


REQUEST = {"model": "fake"}
CASES = [
    Case(
        *("generate", "chunks", CHUNKS, chunk),
        {"task": {"kind": "qa", "request": REQUEST, "questions_per_chunk": 1}},
        pairs,
    ),
    Case(*("judge", "examples", EXAMPLES, question), {"request": REQUEST}, judgement),
]


class Bench:
    """A case's input in a store, and its step as a process."""

    def __init__(self, case: Case, store: Store, server: LlmServer, folder: Path) -> None:
        self.case = case
        self.store = store
        self.manifests = Manifests(store)
        self.key = sha256_text(case.stage)
        self.folder = folder
        (folder / "rows").mkdir(parents=True)
        with RowWriter(folder / "rows", case.schema) as writer:
            for number in range(ROWS):
                writer.write(case.row(number))
        artifact = describe_folder(folder / "rows", kind_value(case.port), ROWS)
        before = sha256_text("input")
        manifest = manifest_pb2.Manifest(
            contract_version=CONTRACT_VERSION, key=before, step="before", stage="before"
        )
        manifest.outputs.add(port=case.port, artifact=artifact)
        self.manifests.upload(before, artifact, folder / "rows")
        self.manifests.commit(manifest)
        endpoint = {"url": server.url, "max_concurrency": SLOTS}
        request = stage_pb2.StageRequest(
            contract_version=CONTRACT_VERSION,
            **{"run": "r", "step": case.stage, "stage": case.stage, "key": self.key},
            image="test",
            config=canonical_json(case.config),
            runtime=canonical_json({"llm": {"endpoints": [endpoint]}}),
            inputs=[
                stage_pb2.RequestInput(port=case.port, step="before", key=before, output=case.port)
            ],
            store=store.uri,
        )
        (folder / "request.binpb").write_bytes(request.SerializeToString())

    def accounts(self) -> tuple[float, ...]:
        """Give what the committed manifest says was asked and paid."""
        manifest = self.manifests.lookup(self.key).manifest
        assert manifest is not None
        figures = (manifest.figures[name] for name in ("llm_requests", "llm_cached"))
        return (*figures, manifest.cost.input_tokens, manifest.cost.output_tokens)

    def start(self, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start the step."""
        command = [sys.executable, "-m", f"graftline_{self.case.stage}", "run"]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--request", self.folder / "request.binpb", "--work", self.folder],
                env={**os.environ, **environment, "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
            )

    def finished(self) -> set[str]:
        """Give the topics whose answers are kept in the store."""
        found = set()
        for item in self.store.list("cache/llm/"):
            kept = self.store.get(item.name)
            assert kept is not None
            found |= set(_TOPIC.findall(json.loads(kept.data)["text"]))
        return found

    def digests(self) -> dict[str, str]:
        """Give the digests of the step's committed outputs."""
        found = self.manifests.lookup(self.key)
        assert found.manifest is not None, (self.folder / "log").read_text()
        assert not found.problem
        return {item.port: item.artifact.digest for item in found.manifest.outputs}


def topics(asked: list[Asked]) -> list[str]:
    """Give what requests were about; a prompt names its topic once or twice."""
    return [_TOPIC.findall(item.prompt)[0] for item in asked]


@pytest.fixture(params=CASES, ids=lambda case: case.stage)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def server(case: Case) -> Iterator[LlmServer]:
    def act(asked: Asked) -> Act:
        return Act(json.dumps(case.says(_TOPIC.findall(asked.prompt)[0])))

    with LlmServer(act, latency_s=0.04) as server:
        yield server


def wait_for(process: subprocess.Popen[bytes], server: LlmServer, count: int) -> bool:
    """Wait until the server was asked so often; False if the process ended before."""
    while len(server.asked) < count:
        if process.poll() is not None:
            return False
        time.sleep(0.002)
    return process.poll() is None


@pytest.mark.timeout(600)
def test_what_is_finished_is_never_asked_again(
    case: Case, server: LlmServer, s3_server: EmbeddedStore, tmp_path: Path
) -> None:
    environment = s3_server.environment
    calm = Bench(case, s3_server.open(f"calm-{case.stage}"), server, tmp_path / "calm")
    assert calm.start(environment).wait() == 0
    assert Counter(topics(server.asked)) == {str(number): 1 for number in range(ROWS)}

    server.asked.clear()
    bench = Bench(case, s3_server.open(f"killed-{case.stage}"), server, tmp_path / "killed")
    chance = random.Random(case.stage)
    moments: list[tuple[int, set[str]]] = []
    for share in sorted(chance.uniform(0.02, 1) for _ in range(KILLS)):
        process = bench.start(environment)
        if not wait_for(process, server, int(share * ROWS)):
            break
        time.sleep(chance.uniform(0, 0.06))
        process.kill()
        process.wait()
        moments.append((len(server.asked), bench.finished()))
        assert bench.manifests.lookup(bench.key).manifest is None
    assert bench.start(environment).wait() == 0, (bench.folder / "log").read_text()

    assert len(moments) >= KILLS // 2
    assert any(0 < len(finished) < ROWS for _, finished in moments), "no kill was in the middle"
    for asked, finished in moments:
        again = finished.intersection(topics(server.asked[asked:]))
        assert not again, f"{len(again)} of {len(finished)} finished ones were asked again"
    times = Counter(topics(server.asked))
    assert set(times) == {str(number) for number in range(ROWS)}
    assert sum(times.values()) - ROWS <= len(moments) * UNDER_WAY
    assert bench.digests() == calm.digests()
    assert bench.accounts() == calm.accounts()
