"""The local folders of one step.

work/request.json                   the request, as protobuf JSON
work/inputs/<port>/<n>/…            an input artifact's files
work/inputs/<port>/<n>.json         the manifest of the step that made it, as protobuf JSON
work/sources/<setting>              a source's local file or folder
work/outputs/<port>/…               what the stage writes
work/scratch/…                      whatever it likes
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToJson

from graftline.errors import ConfigError, DataError, TransientError
from graftline.ports import Input, Inputs, Port, kind_name
from graftline.sources import content_fingerprint, is_remote, list_bucket, local_path
from graftline.v1 import artifact_pb2, manifest_pb2

if TYPE_CHECKING:
    from pathlib import Path

    from graftline.store import Manifests, Store
    from graftline.v1 import stage_pb2


class Workspace:
    """Brings a step's inputs and sources into its folder."""

    def __init__(self, folder: Path, store: Store, manifests: Manifests) -> None:
        """Use a folder and a store."""
        self.folder = folder
        self._store = store
        self._manifests = manifests

    def read_input_manifests(
        self, request: stage_pb2.StageRequest
    ) -> dict[str, tuple[manifest_pb2.Manifest, str]]:
        """Give (manifest, its digest) of every step that the request reads, by key.

        Raises:
            TransientError: One of them is not there; its step must be built first.
        """
        found: dict[str, tuple[manifest_pb2.Manifest, str]] = {}
        for item in request.inputs:
            if item.key not in found:
                lookup = self._manifests.lookup(item.key)
                if lookup.manifest is None or lookup.problem:
                    raise TransientError(
                        f"input '{item.port}': step '{item.step}' is not in the store"
                        f" ({lookup.problem})",
                        "run the recipe again: it will be built",
                    )
                found[item.key] = (lookup.manifest, lookup.digest)
        return found

    def fetch_inputs(
        self,
        request: stage_pb2.StageRequest,
        manifests: dict[str, tuple[manifest_pb2.Manifest, str]],
        ports: dict[str, Port],
    ) -> dict[str, tuple[Input, ...]]:
        """Download what each port wants of its artifacts, digests verified.

        Equal artifacts of ports that want the same files are fetched once.
        """
        found: dict[str, tuple[Input, ...]] = {}
        fetched: dict[tuple[str, tuple[str, ...]], Path] = {}
        for item in request.inputs:
            manifest = manifests[item.key][0]
            artifact = output_of(manifest, item.output)
            index = len(found.get(item.port, ()))
            folder = self.folder / "inputs" / item.port / str(index)
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.with_name(f"{index}.json").write_text(MessageToJson(manifest))
            port = ports.get(item.port, Port(item.port, ()))
            wanted = (artifact.digest, port.files)
            if port.manifest_only:
                folder.mkdir()
            elif wanted in fetched:
                folder.symlink_to(fetched[wanted], target_is_directory=True)
            else:
                folder.mkdir()
                self._manifests.fetch(item.key, only_files(artifact, port.files), folder)
                fetched[wanted] = folder
            rows = artifact.rows if artifact.HasField("rows") else None
            one = Input(folder, kind_name(artifact.kind), rows, item.step, item.key, manifest)
            found[item.port] = (*found.get(item.port, ()), one)
        return found

    def bring_sources(self, request: stage_pb2.StageRequest) -> dict[str, Path]:
        """Give the local path of every source that has one, its fingerprint verified.

        Raises:
            DataError: A source has changed since the plan was made.
        """
        paths: dict[str, Path] = {}
        for source in request.sources:
            if source.uri.startswith("s3://"):
                paths[source.setting] = self._download(source)
            elif not is_remote(source.uri):
                path = local_path(source.uri)
                if content_fingerprint(path) != source.fingerprint:
                    raise DataError(
                        f"source '{source.uri}' has changed since the plan was made",
                        "run the recipe again",
                    )
                paths[source.setting] = path
        return paths

    def _download(self, source: manifest_pb2.SourceRef) -> Path:
        found = list_bucket(source.uri)
        if found.fingerprint != source.fingerprint:
            raise DataError(
                f"source '{source.uri}' has changed since the plan was made", "run the recipe again"
            )
        folder = self.folder / "sources" / source.setting
        for relative, item in found.objects:
            target = folder / relative
            if not target.resolve().is_relative_to(folder.resolve()):
                raise DataError(f"source '{source.uri}': '{relative}' leads out of its folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            found.store.download(item.name, target, size=item.size)
        path = folder / found.objects[0][0] if found.single else folder
        if found.digest and content_fingerprint(path) != source.fingerprint:
            raise DataError(
                f"source '{source.uri}' is not what its address says",
                "an upload was cut off, or somebody wrote there: submit the local source again",
            )
        return path


def only_files(artifact: artifact_pb2.Artifact, patterns: tuple[str, ...]) -> artifact_pb2.Artifact:
    """Give an artifact with those of its blobs whose paths match a pattern (all without any)."""
    if not patterns:
        return artifact
    blobs = [b for b in artifact.blobs if any(fnmatchcase(b.path, p) for p in patterns)]
    return artifact_pb2.Artifact(
        kind=artifact.kind, blobs=blobs, digest=artifact.digest, rows=artifact.rows
    )


def output_of(manifest: manifest_pb2.Manifest, port: str) -> artifact_pb2.Artifact:
    """Give the artifact of an output port.

    Raises:
        ConfigError: The step, as it is set, made none.
    """
    for output in manifest.outputs:
        if output.port == port:
            return output.artifact
    raise ConfigError(
        f"step '{manifest.step}', as it is set, made no '{port}'",
        "change its settings, or the recipe",
    )


def input_refs(
    request: stage_pb2.StageRequest, manifests: dict[str, tuple[manifest_pb2.Manifest, str]]
) -> list[manifest_pb2.InputRef]:
    """Say what was read: for the manifest."""
    return [
        manifest_pb2.InputRef(
            port=item.port,
            key=item.key,
            output=item.output,
            artifact_digest=output_of(manifests[item.key][0], item.output).digest,
            manifest_digest=manifests[item.key][1],
            step=item.step,
        )
        for item in request.inputs
    ]


def input_manifests(inputs: Inputs) -> dict[str, manifest_pb2.Manifest]:
    """Give the manifests of all inputs by key."""
    return {item.key: item.manifest for items in inputs.ports.values() for item in items}
