"""What an artifact was made from, back to the sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
