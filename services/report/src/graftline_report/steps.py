"""What the manifests say of the steps: rows, cost, settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graftline.v1.manifest_pb2 import Manifest


@dataclass(frozen=True)
class StepFacts:
    """What one step's manifest says; unknown is None."""

    step: str
    stage: str
    key: str
    identity: str
    image: str
    parents: tuple[str, ...]
    rows_in: int | None
    rows_out: int | None
    rejected: dict[str, int]
    wall_seconds: float | None
    gpu_seconds: float | None
    peak_memory_bytes: int | None
    input_tokens: int | None
    output_tokens: int | None
    usd: float | None
    config: dict[str, Any]
    figures: dict[str, float]

    @property
    def tokens(self) -> int | None:
        """All tokens that a model read and wrote."""
        known = [count for count in (self.input_tokens, self.output_tokens) if count is not None]
        return sum(known) if known else None

    @property
    def asked_a_model(self) -> bool:
        """Whether a language model's servers were asked, or their stored answers used."""
        return "llm_requests" in self.figures


def order_steps(manifests: Iterable[Manifest]) -> list[StepFacts]:
    """Give each step once, in an order in which what was read comes before what read it."""
    by_key = {manifest.key: manifest for manifest in manifests}
    ordered: list[Manifest] = []
    placed: set[str] = set()

    def place(manifest: Manifest) -> None:
        if manifest.key in placed:
            return
        placed.add(manifest.key)
        for item in manifest.inputs:
            if item.key in by_key:
                place(by_key[item.key])
        ordered.append(manifest)

    for key in sorted(by_key, key=lambda key: (by_key[key].started_at.ToNanoseconds(), key)):
        place(by_key[key])
    return [_step_facts(manifest) for manifest in ordered]


def _step_facts(manifest: Manifest) -> StepFacts:
    cost = manifest.cost
    return StepFacts(
        step=manifest.step,
        stage=manifest.stage,
        key=manifest.key,
        identity=manifest.identity,
        image=manifest.image,
        parents=tuple(dict.fromkeys(item.step for item in manifest.inputs)),
        rows_in=manifest.rows_in if manifest.HasField("rows_in") else None,
        rows_out=manifest.rows_out if manifest.HasField("rows_out") else None,
        rejected={reject.reason: reject.rows for reject in manifest.rejected},
        wall_seconds=cost.wall_seconds if cost.HasField("wall_seconds") else None,
        gpu_seconds=cost.gpu_seconds if cost.HasField("gpu_seconds") else None,
        peak_memory_bytes=cost.peak_memory_bytes if cost.HasField("peak_memory_bytes") else None,
        input_tokens=cost.input_tokens if cost.HasField("input_tokens") else None,
        output_tokens=cost.output_tokens if cost.HasField("output_tokens") else None,
        usd=cost.usd if cost.HasField("usd") else None,
        config=json.loads(manifest.config or "{}"),
        figures=dict(sorted(manifest.figures.items())),
    )
