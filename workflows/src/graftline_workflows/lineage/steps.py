"""The steps that an artifact was made by, back to the sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.ports import kind_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline.v1.artifact_pb2 import Artifact
    from graftline.v1.manifest_pb2 import Manifest
    from graftline_workflows.session import StoreSession


def lineage_of(session: StoreSession, manifest: Manifest) -> list[Manifest]:
    """Give a manifest and all that it was made from, each once, nearest first.

    A step that is no longer in the store ends its branch: `lineage_json` names it without a stage.
    """
    found = {manifest.key: manifest}
    waiting = [manifest]
    while waiting:
        for item in waiting.pop(0).inputs:
            if item.key in found:
                continue
            lookup = session.manifests.lookup(item.key)
            if lookup.manifest is not None:
                found[item.key] = lookup.manifest
                waiting.append(lookup.manifest)
    return list(found.values())


@dataclass(frozen=True)
class Place:
    """One artifact of a lineage: the step that made it, and its output port."""

    manifest: Manifest
    port: str

    @property
    def artifact(self) -> Artifact:
        """Its description."""
        return next(item.artifact for item in self.manifest.outputs if item.port == self.port)

    @property
    def kind(self) -> str:
        """Its kind's name."""
        return kind_name(self.artifact.kind)


def places_read(manifests: Sequence[Manifest]) -> list[Place]:
    """Give the artifacts that the steps of a lineage read, each before what it was made from.

    Args:
        manifests: As `lineage_of` gives them.
    """
    by_key = {manifest.key: manifest for manifest in manifests}
    ordered: list[Manifest] = []
    placed: set[str] = set()

    def place(manifest: Manifest) -> None:
        placed.add(manifest.key)
        for item in manifest.inputs:
            if item.key in by_key and item.key not in placed:
                place(by_key[item.key])
        ordered.append(manifest)

    for manifest in manifests:
        if manifest.key not in placed:
            place(manifest)
    read = {(item.key, item.output) for manifest in manifests for item in manifest.inputs}
    return [
        Place(manifest, output.port)
        for manifest in reversed(ordered)
        for output in manifest.outputs
        if (manifest.key, output.port) in read
    ]


def lineage_json(manifests: list[Manifest]) -> dict[str, Any]:
    """Give a lineage as plain JSON, in the same order."""
    return {
        "lineage": [
            {
                "step": manifest.step,
                "stage": manifest.stage,
                "key": manifest.key,
                "image": manifest.image,
                "identity": manifest.identity,
                "run": manifest.run,
                "inputs": [
                    {"port": item.port, "step": item.step, "output": item.output, "key": item.key}
                    for item in manifest.inputs
                ],
                "sources": [
                    {"setting": item.setting, "uri": item.uri, "fingerprint": item.fingerprint}
                    for item in manifest.sources
                ],
            }
            for manifest in manifests
        ]
    }
