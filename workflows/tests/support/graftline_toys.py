"""A small catalog and recipe, made in memory, for tests of recipes and plans."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import Field

from graftline.config import Config, Runtime, Settings, SourceUri
from graftline.ports import Port
from graftline.stage import Stage
from graftline.v1 import manifest_pb2
from graftline_workflows.catalog import Catalog
from graftline_workflows.recipe import resolve_recipe
from graftline_workflows.recipe.images import StageCode
from graftline_workflows.sources import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from graftline_workflows.recipe import ResolvedRecipe


class ReadConfig(Config):
    source: SourceUri
    fields: dict[str, str] = {}
    limit: int | None = None


class MakeConfig(Config):
    rows: int = Field(10, ge=1)
    tag: str = ""


class Fast(Settings):
    kind: Literal["fast"] = "fast"
    speed: float = 1.0


class Slow(Settings):
    kind: Literal["slow"] = "slow"
    patience: int = 3


class PickConfig(Config):
    share: float = 0.5
    way: Annotated[Fast | Slow, Field(discriminator="kind")] = Fast()


class LearnConfig(Config):
    lora_r: int = Field(16, ge=1)
    learning_rate: float = 2e-4
    answer_schema: dict[str, Any] = {}
    instruction: str = ""


class LearnRuntime(Runtime):
    threads: int = 0
    device: Literal["auto", "cpu"] = "auto"


class ShowConfig(Config):
    title: str = "Page"
    checks: list[dict[str, Any]] = []


def _stage(name: str, inputs: tuple[Port, ...], outputs: tuple[Port, ...], **more: Any) -> Stage:
    return Stage(
        name=name,
        version="1",
        summary="",
        inputs=inputs,
        outputs=outputs,
        run=f"graftline_{name}.stage:run",
        **more,
    )


STAGES = (
    _stage("read", (), (Port("examples", ("examples",)),), config=ReadConfig),
    _stage("make", (), (Port("examples", ("examples",)),), config=MakeConfig),
    _stage(
        "pick",
        (Port("examples", ("examples",), repeated=True),),
        (Port("examples", ("examples",)), Port("rejects", ("rejects",))),
        config=PickConfig,
    ),
    _stage(
        "learn",
        (Port("examples", ("examples",)), Port("extra", ("examples",), optional=True)),
        (Port("adapter", ("adapter",)), Port("log", ("metrics",)), Port("curve", ("metrics",))),
        config=LearnConfig,
        runtime=LearnRuntime,
        resources="gpu",
    ),
    _stage(
        "score",
        (Port("adapter", ("adapter",)), Port("examples", ("examples",))),
        (Port("metrics", ("metrics",)),),
        config=ShowConfig,
    ),
    _stage(
        "show",
        (
            Port("metrics", ("metrics",), repeated=True),
            Port("rows", ("examples", "rejects"), optional=True, repeated=True),
        ),
        (Port("report", ("report",)),),
        config=ShowConfig,
    ),
)

RECIPE = """\
recipe: toy
description: A toy.
default_profile: small
parameters:
  source: {type: source, default: "", help: A file of one's own.}
  seed: {type: int, default: 42}
  rate: {type: float, default: 1e-4}
  schema: {type: json-schema-file, default: ""}
  words: {type: string, default: hello, allowed: [hello, bye]}
steps:
  made:
    uses: make
    if: not source
    seed: ${seed}
    with: {rows: 5, tag: "say ${words} ${seed} times $${x}"}
  own:
    uses: read
    if: source
    with: {source: "${source}"}
  pick:
    uses: pick
    from: {examples: [made, own]}
  tune:
    uses: learn
    from: {examples: pick}
    with: {learning_rate: "${rate}", answer_schema: {}}
  score:
    uses: score
    from: {adapter: tune, examples: pick}
  page:
    uses: show
    from: {metrics: [score, tune.log], rows: [pick.rejects]}
    with: {checks: "${gate.checks}"}
gate:
  step: score
  checks: [{metric: accuracy, at_least: 0.5}]
profiles:
  small: {}
  big:
    parameters: {rate: 1e-3}
    steps:
      made: {with: {rows: 500}}
      pick: {with: {way: {kind: slow}}}
      tune: {with: {lora_r: 64}, runtime: {threads: 8}}
    gate: {checks: [{metric: accuracy, at_least: 0.9}]}
"""


def toy_catalog() -> Catalog:
    """Six stages: read and make, pick, learn, score, show."""
    return Catalog({stage.name: stage.describe() for stage in STAGES})


def toy_code(stage: str, catalog: Catalog) -> StageCode:
    """Say that a stage's code is version 1."""
    return StageCode(catalog.entry(stage), "", f"code-of-{stage}-1")


@dataclass
class Resolver:
    """Writes a recipe to a file and resolves it against the toy catalog."""

    folder: Path
    code: Callable[[str, Catalog], StageCode] = toy_code

    def __call__(
        self,
        *overrides: str,
        text: str = RECIPE,
        profile: str | None = None,
        images: Mapping[str, str] | None = None,
    ) -> ResolvedRecipe:
        path = self.folder / "toy.yaml"
        path.write_text(text)
        return resolve_recipe(
            str(path), profile, overrides, images=images, catalog=toy_catalog(), own=self.code
        )


@dataclass(frozen=True)
class Found:
    """What a store says of a key."""

    manifest: manifest_pb2.Manifest | None
    problem: str


@dataclass
class ToyStore:
    """Holds manifests in memory; `problems` says what is wrong with some keys."""

    manifests: dict[str, manifest_pb2.Manifest] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def lookup(self, key: str, inputs: Mapping[str, manifest_pb2.Manifest]) -> Found:
        self.asked.append((key, tuple(inputs)))
        assert all(inputs[item].key == item for item in inputs)
        if key in self.problems:
            return Found(None, self.problems[key])
        manifest = self.manifests.get(key)
        return Found(manifest, "" if manifest else "absent")

    def build(self, steps: Iterable[Any]) -> None:
        for step in steps:
            request = step.request
            made = next(stage.outputs for stage in STAGES if stage.name == request.stage)
            self.manifests[request.key] = manifest_pb2.Manifest(
                key=request.key,
                step=request.step,
                stage=request.stage,
                outputs=[manifest_pb2.OutputRef(port=port.name) for port in made],
            )


def toy_fingerprints(recipe: ResolvedRecipe, mark: str = "1") -> dict[str, Fingerprint]:
    """Fingerprint sources by their name."""
    return {
        source.uri: Fingerprint(source.uri, f"sha256:{source.uri}:{mark}")
        for step in recipe.steps
        for source in step.sources
    }


@pytest.fixture
def resolve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolver:
    """Resolve variations of the toy recipe, in a folder of one's own."""
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    monkeypatch.chdir(tmp_path)
    return Resolver(recipes)
