"""One step from request to committed manifest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToJson
from google.protobuf.timestamp_pb2 import Timestamp

from graftline import CONTRACT_VERSION
from graftline.config import parse_settings
from graftline.context import Context
from graftline.errors import BugError, ConfigError, TransientError
from graftline.identity import build_id
from graftline.ports import Inputs, kind_name, kind_value
from graftline.runner.measure import CostMeter, package_versions
from graftline.runner.workspace import Workspace, input_manifests, input_refs
from graftline.store import Manifests, Store, StoreVault, describe_folder
from graftline.v1 import manifest_pb2, stage_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from graftline.events.reporter import StepReporter
    from graftline.ports import Result
    from graftline.stage import Stage


def check_request(request: stage_pb2.StageRequest, stage: Stage, *, own_code: bool) -> None:
    """Refuse a request that this stage cannot serve.

    Args:
        request: The request.
        stage: The stage that is to serve it.
        own_code: Whether the stage is this image's own, so that its build id must be the one
            that the key was computed with.

    Raises:
        ConfigError: It is for another contract, stage or build.
    """
    if request.contract_version != CONTRACT_VERSION:
        raise ConfigError(
            f"step '{request.step}': the plan speaks contract {request.contract_version or '?'},"
            f" this image contract {CONTRACT_VERSION}",
            "use a planner and images of one release",
        )
    if request.stage != stage.name:
        raise ConfigError(
            f"step '{request.step}' asks for stage '{request.stage}', this is '{stage.name}'"
        )
    if own_code and not request.image:
        built = build_id(stage.run.partition(".")[0])
        if built != request.identity:
            raise ConfigError(
                f"step '{request.step}': the plan was made for build {request.identity[:12]} of"
                f" stage '{stage.name}', this is build {built[:12]}",
                "plan again, or use the image that the plan names",
            )


class StepExecution:
    """Runs one step against the store.

    Args:
        stage: The stage's declaration.
        load: Gives the function that does the work. A step that is done already needs none of the
            libraries that it imports.
        request: What is asked.
        folder: An empty local folder.
        reporter: Where progress goes.
        image: The image that this runs in, for the manifest; empty where it runs in none.
    """

    def __init__(
        self,
        stage: Stage,
        load: Callable[[], Callable[..., Result | None]],
        request: stage_pb2.StageRequest,
        folder: Path,
        reporter: StepReporter,
        image: str = "",
    ) -> None:
        """Validate the settings; nothing is fetched yet.

        Raises:
            ConfigError: The settings are wrong.
        """
        subject = f"step '{request.step}'"
        self._stage = stage
        self._load = load
        self._request = request
        self._folder = folder
        self._reporter = reporter
        self._image = image or request.image
        self._config = parse_settings(stage.config, json.loads(request.config or "{}"), subject)
        runtime = parse_settings(stage.runtime, json.loads(request.runtime or "{}"), subject)
        self._store = Store.open(request.store)
        self._manifests = Manifests(self._store)
        self._vault = StoreVault(self._store, request.key)
        self.context: Context[Any] = Context(
            step=request.step,
            key=request.key,
            runtime=runtime,
            seed=request.seed,
            work=folder,
            reporter=reporter,
            vault=self._vault,
            rank=request.rank,
            ranks=max(1, request.ranks),
        )

    def run(self) -> bool:
        """Do what is needed; True if the work was done here, False if it was there already.

        Raises:
            GraftlineError: It could not be done; nothing of it is visible in the store.
        """
        meter, started = CostMeter(), _now()
        workspace = Workspace(self._folder, self._store, self._manifests)
        manifests = workspace.read_input_manifests(self._request)
        now = {key: manifest for key, (manifest, _) in manifests.items()}
        before = self._manifests.lookup(self._request.key, now)
        if not before.problem:
            self._reporter.state(stage_pb2.STEP_STATE_CACHED)
            return False
        if before.problem != "absent":
            self._reporter.log(f"built again: {before.problem}", "warning")

        self._reporter.state(stage_pb2.STEP_STATE_FETCHING)
        ports = {port.name: port for port in self._stage.inputs}
        inputs = Inputs(
            workspace.fetch_inputs(self._request, manifests, ports),
            workspace.bring_sources(self._request),
        )
        self.context.raise_if_stopping()
        self._reporter.state(stage_pb2.STEP_STATE_RUNNING)
        (self._folder / "request.json").write_text(MessageToJson(self._request))
        result = self._load()(self.context, self._config, inputs)
        if result is None:
            return self._leave_to_others(now)
        self._check(result)

        self._reporter.state(stage_pb2.STEP_STATE_COMMITTING)
        manifest = self._manifest(result, started)
        manifest.inputs.extend(input_refs(self._request, manifests))
        manifest.base_model = result.base_model.removesuffix("@") or _base_model_of(inputs)
        self._publish(manifest, result)
        manifest.finished_at.CopyFrom(_now())
        manifest.cost.CopyFrom(meter.cost(result))
        committed = self._manifests.commit(manifest, replaces=before.etag or None)
        if not committed.won:
            self._reporter.log("somebody else finished this step first; theirs is used")
        self._vault.forget()
        return committed.won

    def _leave_to_others(self, inputs: Mapping[str, manifest_pb2.Manifest]) -> bool:
        """End this rank: its units are done, and whoever sees all of them commits the step.

        Raises:
            TransientError: Units that were done are damaged in the store; they were taken away.
            BugError: The stage should have given a result.
        """
        if not self._manifests.lookup(self._request.key, inputs).problem:
            self._reporter.log("somebody else finished this step first; theirs is used")
        elif self.context.lost_units:
            raise TransientError(
                f"step '{self._request.step}': {self.context.lost_units} committed units cannot be"
                " read back from the store",
                "run the same command again: these are done again, the others are not",
            )
        elif self.context.ranks > 1:
            self._reporter.log("this rank's units are done; the last rank commits the step")
        else:
            raise BugError(f"stage '{self._stage.name}' gave no result, and there is no other rank")
        return False

    def _check(self, result: Result) -> None:
        ports = {port.name: port for port in self._stage.outputs}
        unknown = sorted(set(result.outputs) - set(ports))
        missing = [n for n, p in ports.items() if not p.optional and n not in result.outputs]
        if unknown or missing:
            raise BugError(
                f"stage '{self._stage.name}' gave outputs {sorted(result.outputs)}"
                f" where {sorted(ports)} are declared"
            )
        if self._stage.conserves_rows:
            rejected = sum(result.rejected.values())
            if result.rows_in != (result.rows_out or 0) + rejected:
                raise BugError(
                    f"stage '{self._stage.name}' lost rows: {result.rows_in} in,"
                    f" {result.rows_out} out, {rejected} rejected"
                )

    def _publish(self, manifest: manifest_pb2.Manifest, result: Result) -> None:
        ports = {port.name: port for port in self._stage.outputs}
        for name, output in sorted(result.outputs.items()):
            kinds = ports[name].kinds
            kind = output.kind or kinds[0]
            if kind not in kinds:
                raise BugError(f"output '{name}' is of kind '{kind}'; declared: {kinds}")
            artifact = describe_folder(output.path, kind_value(kind), output.rows)
            self._reporter.log(
                f"storing {name} ({kind_name(artifact.kind)}: {len(artifact.blobs)} files,"
                f" {sum(blob.size for blob in artifact.blobs):,} bytes)"
            )
            self._manifests.upload(self._request.key, artifact, output.path)
            manifest.outputs.append(manifest_pb2.OutputRef(port=name, artifact=artifact))

    def _manifest(self, result: Result, started: Timestamp) -> manifest_pb2.Manifest:
        request = self._request
        return manifest_pb2.Manifest(
            contract_version=CONTRACT_VERSION,
            key=request.key,
            step=request.step,
            stage=request.stage,
            stage_version=self._stage.version,
            image=self._image,
            identity=request.identity,
            config=request.config,
            runtime=request.runtime,
            seed=request.seed,
            sources=request.sources,
            rows_in=result.rows_in,
            rows_out=result.rows_out,
            rejected=[
                manifest_pb2.RejectCount(reason=reason, rows=rows)
                for reason, rows in sorted(result.rejected.items())
                if rows
            ],
            packages=package_versions(f"graftline-{request.stage}"),
            started_at=started,
            attempt=max(1, request.attempt),
            run=request.run,
            figures=dict(result.figures),
        )


def _base_model_of(inputs: Inputs) -> str:
    """A step that names no base model depends on that of its inputs, where they agree."""
    names = {m.base_model for m in input_manifests(inputs).values() if m.base_model}
    return names.pop() if len(names) == 1 else ""


def _now() -> Timestamp:
    now = Timestamp()
    now.GetCurrentTime()
    return now
