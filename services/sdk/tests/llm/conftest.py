"""Fixtures of the client's tests: settings for real servers on loopback, a rank that asks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from graftline.config import Runtime
from graftline.context import Context
from graftline.domain.answers import JsonAnswer, TextAnswer
from graftline.llm.asking import OpenUnit, UnitAsker, sum_costs
from graftline.llm.config import Endpoint, LlmConfig, LlmRuntime
from graftline.llm.request import LlmRequest, Message
from graftline.testkit.llm import Act, Asked, LlmServer
from graftline.testkit.local import FolderVault, RecordedEvents


@pytest.fixture
def make():
    """Short ways to make settings and requests."""
    form = JsonAnswer(
        "qa",
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "required": ["a"],
            "additionalProperties": False,
        },
    )

    def config(**settings):
        return LlmConfig(**{"model": "m", "max_tokens": 50, **settings})

    def runtime(*servers, max_concurrency=16, **settings):
        endpoints = [
            server
            if isinstance(server, Endpoint)
            else Endpoint(url=server.url, max_concurrency=max_concurrency)
            for server in servers
        ]
        return LlmRuntime(endpoints=endpoints, **{"wait_s": 5, "timeout_s": 5, **settings})

    def requests(count, *, form=TextAnswer(), start=0, **settings):  # noqa: B008
        return [
            LlmRequest.of(
                config(**settings), [Message("user", f"question {number}")], form, tag=number
            )
            for number in range(start, start + count)
        ]

    return SimpleNamespace(config=config, runtime=runtime, requests=requests, form=form)


@dataclass
class Asking:
    """A rank that asks a server about units, and keeps what was said in a folder."""

    make: Any
    folder: Path
    says: Callable[[Asked], Act] = lambda asked: Act(asked.prompt.upper())
    key: str = "k"
    config: dict[str, Any] = field(default_factory=dict)
    form: Any = field(default_factory=TextAnswer)
    latest: Any = None
    runs: int = 0
    written: dict[int, dict[Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.server = LlmServer(lambda asked: self.says(asked))

    @property
    def vault(self) -> FolderVault:
        return FolderVault(self.folder / "vault")

    def forget(self) -> None:
        """Take the step's units away: only the cache is left."""
        shutil.rmtree(self.folder / "vault" / "checkpoints")

    def context(self, rank: int = 0, ranks: int = 1) -> tuple[Context[Any], RecordedEvents]:
        self.runs += 1
        events = RecordedEvents()
        context: Context[Any] = Context(
            step="s",
            key=self.key,
            runtime=Runtime(),
            seed=0,
            work=self.folder / f"run-{self.runs}",
            reporter=events,
            vault=self.vault,
            rank=rank,
            ranks=ranks,
        )
        self.latest = context
        return context, events

    def unit(self, number: int, names: list[Any]) -> OpenUnit:
        def request(name: Any) -> LlmRequest:
            # What stands behind a # tells requests apart that are the same to the model.
            what = str(name).partition("#")[0]
            who = "somebody" if what.startswith("same") else f"unit {number}"
            asked = [Message("user", f"{who} asks {what}")]
            return LlmRequest.of(self.make.config(**self.config), asked, self.form)

        def write(folder: Path, answers: Any) -> None:
            self.written[number] = dict(answers)
            (folder / "unit.txt").write_text(str(len(answers)))

        return OpenUnit(number, {name: request(name) for name in names}, write)

    def ask(
        self,
        sizes: list[int],
        names: dict[int, list[Any]],
        *,
        rank: int = 0,
        ranks: int = 1,
        share: float = 0.5,
        stop: bool = False,
        **runtime: Any,
    ) -> RecordedEvents:
        context, events = self.context(rank, ranks)
        todo = list(context.units(len(sizes)))
        if stop:
            context.request_stop()
        asker = UnitAsker(context, sizes, todo, share, "things")
        settings = self.make.runtime(self.server, **runtime)
        asker.ask(
            self.make.config(**self.config),
            settings,
            lambda wanted: (self.unit(n, names.get(n, [])) for n in wanted),
        )
        return events

    def kept(self, count: int) -> list[Path]:
        folder = self.folder / f"kept-{self.runs}"
        context, _ = self.context()
        assert context.gather_units(count, folder)
        return [folder / str(number) for number in range(count)]

    def costs(self, count: int) -> dict[str, Any]:
        return dict(sum_costs(self.kept(count)))

    def served(self) -> int:
        """Tokens of all answers that the server gave."""
        prompts = self.server.prompts()
        return sum(len(text.split()) + len(text.upper().split()) for text in prompts)


@pytest.fixture
def asking(make, tmp_path):
    fixture = Asking(make, tmp_path)
    with fixture.server:
        yield fixture
