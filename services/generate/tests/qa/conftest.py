"""A server with a model that is a function, and chunks to ask about."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings

from graftline.canonical import canonical_json
from graftline.domain.documents import CHUNKS, chunk_id, document_id
from graftline.domain.rows import RowWriter, read_rows
from graftline.testkit.llm import Act, FunctionModel
from graftline.testkit.local import FolderVault, StageRun, run_stage
from graftline_generate.descriptor import STAGE

# Shared machines are slow at times; a law is not about time.
settings.register_profile("graftline", deadline=None)
settings.load_profile("graftline")


def chunk_text_of(prompt: str) -> str:
    """The chunk's text in a prompt of the default frame."""
    match = re.search(r"<<<\n(.*)\n>>>", prompt, re.DOTALL)
    assert match, prompt
    return match.group(1)


def pairs(*items: tuple[str, str]) -> str:
    """An answer with these pairs."""
    return json.dumps({"pairs": [{"question": q, "answer": a} for q, a in items]})


def writes_pairs(prompt: str, count: int = 3) -> Act:
    """A model that knows three things about every text."""
    topic = chunk_text_of(prompt).split()[-1]
    return Act(
        pairs(*((f"What is thing {n} of {topic}?", f"It is {topic}.") for n in range(count)))
    )


@pytest.fixture
def model() -> Iterator[FunctionModel]:
    fake = FunctionModel(writes_pairs)
    with fake.server:
        yield fake


def chunk(document: str, number: int, text: str, path: str, count: int = 1) -> dict[str, Any]:
    start = number * 1000
    return {
        "id": chunk_id(document, start, start + len(text)),
        "parents": [document],
        "source": {"document": document, "start": start, "end": start + len(text)},
        "group": document,
        "split": "eval" if "held" in path else "train",
        "index": number,
        "count": count,
        "text": text,
        "tokens": None,
        "headings": ["Guide", f"Part {number}"],
        "path": path,
        "media_type": "text/markdown",
        "meta": "{}",
    }


def write_chunks(folder: Path, rows: list[dict[str, Any]], shard_bytes: int = 1 << 27) -> Path:
    folder.mkdir(parents=True)
    with RowWriter(folder, CHUNKS, shard_bytes) as writer:
        for row in rows:
            writer.write(row)
    return folder


class Questioned:
    """What came of some chunks; that nothing was lost is checked at once."""

    def __init__(self, run: StageRun, chunks: int) -> None:
        self.run = run
        self.result = run.result
        self.rows: list[dict[str, Any]] = []
        self.rejects: list[dict[str, Any]] = []
        if run.result is None:
            return
        self.rows = list(read_rows(run.outputs["examples"]))
        self.rejects = list(read_rows(run.outputs["rejects"]))
        reasons = Counter(item["reason"] for item in self.rejects)
        assert run.result.rejected == reasons
        assert run.result.rows_in == chunks
        assert run.result.rows_out == len(self.rows)
        figures = run.result.figures
        failed = figures.get("requests_failed", 0)
        assert figures["pairs_given"] == len(self.rows) + len(self.rejects) - failed
        assert figures["pairs_asked"] == figures["pairs_given"] + figures["pairs_missing"]

    @property
    def questions(self) -> list[str]:
        return [json.loads(row["meta"])["question"] for row in self.rows]


class Workshop:
    """Runs the task on chunks, with a fake model and a vault that may be shared."""

    def __init__(self, folder: Path, model: FunctionModel) -> None:
        self.folder = folder
        self.model = model
        self.runs = 0

    def vault(self, name: str = "vault") -> FolderVault:
        return FolderVault(self.folder / name)

    def documents(self, **texts: str | list[str]) -> list[dict[str, Any]]:
        """Chunks of documents given by path (`__` stands for `/`, `.md` is added)."""
        rows = []
        for name, parts in texts.items():
            path = name.replace("__", "/") + ".md"
            parts = [parts] if isinstance(parts, str) else parts
            document = document_id(canonical_json([path, parts]))
            rows += [chunk(document, n, text, path, len(parts)) for n, text in enumerate(parts)]
        return rows

    def ask(
        self,
        rows: list[dict[str, Any]],
        *,
        vault: FolderVault | None = None,
        rank: int = 0,
        ranks: int = 1,
        source: Path | None = None,
        runtime: dict[str, Any] | None = None,
        shard_bytes: int = 1 << 27,
        **task: Any,
    ) -> Questioned:
        self.runs += 1
        work = self.folder / f"run-{self.runs}"
        folder = write_chunks(work / "in" / "chunks", rows, shard_bytes)
        run = run_stage(
            STAGE,
            work,
            config={"task": {"kind": "qa", "request": {"model": "fake"}, **task}},
            inputs={"chunks": folder},
            sources={"definitions": source} if source else None,
            runtime={"llm": self.model.runtime, **(runtime or {})},
            vault=vault,
            rank=rank,
            ranks=ranks,
        )
        return Questioned(run, len(rows))


@pytest.fixture
def workshop(tmp_path: Path, model: FunctionModel) -> Workshop:
    return Workshop(tmp_path, model)


@pytest.fixture
def say() -> Any:
    """The makers of this file (conftest modules cannot be imported by tests)."""
    return SimpleNamespace(pairs=pairs, writes=writes_pairs, text=chunk_text_of)
