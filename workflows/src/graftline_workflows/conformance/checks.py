"""What a stage must do: one function a promise, each with its reason when it is not kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import jsonschema

from graftline import CONTRACT_VERSION
from graftline.canonical import canonical_json, sha256_text
from graftline.errors import EXIT_CANCELLED, EXIT_CONFIG, EXIT_OK, EXIT_TRANSIENT
from graftline.schema import check_settings, fill_defaults
from graftline.v1 import stage_pb2
from graftline_workflows.conformance.subject import Outcome, Subject, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from graftline.store import Lookup, Manifests
    from graftline.v1.manifest_pb2 import SourceRef

UNKNOWN_SETTING = "no_such_setting_for_conformance"
_TERM_MOMENTS = (0.25, 0.5, 0.75)


class NotKept(Exception):
    """A promise is not kept; the message says how."""


class NotReached(Exception):
    """Whether a promise is kept cannot be told; the message says why."""


@dataclass
class Trial:
    """The stage under test with all that a check needs.

    Args:
        subject: The stage.
        manifests: The store's manifests.
        store_uri: The store, for requests.
        config: Config settings, defaults left out.
        sources: Sources by reference.
        seed: The step's seed.
        work: A folder for downloads.
        inputs: The input artifacts, placed in the store.
        descriptor: The stage's, once it has described itself.
        duration_s: How long the first run took.
        first: How the first run ended, once there was one.
    """

    subject: Subject
    manifests: Manifests
    store_uri: str
    config: Mapping[str, Any]
    sources: list[SourceRef]
    seed: int
    work: Path
    inputs: list[stage_pb2.RequestInput] = field(default_factory=list)
    descriptor: stage_pb2.StageDescriptor = field(default_factory=stage_pb2.StageDescriptor)
    duration_s: float = 0.0
    first: Outcome | None = None

    def request(self, name: str, config: Mapping[str, Any] | None = None) -> stage_pb2.StageRequest:
        """Make a request whose key depends on a name alone."""
        schema = settings(self.descriptor.config_schema)
        values = dict(self.config if config is None else config)
        if config is None:
            values = fill_defaults(schema, values)
        return stage_pb2.StageRequest(
            contract_version=CONTRACT_VERSION,
            run="conformance",
            step=self.descriptor.name,
            stage=self.descriptor.name,
            key=sha256_text(f"conformance:{name}"),
            image=self.subject.image,
            identity="conformance",
            config=canonical_json(values),
            runtime=canonical_json(fill_defaults(settings(self.descriptor.runtime_schema), {})),
            seed=self.seed,
            inputs=self.inputs,
            sources=self.sources,
            store=self.store_uri,
            ranks=1,
            attempt=1,
        )

    def look_up(self, name: str) -> Lookup:
        """Look up what a request of that name has committed."""
        return self.manifests.lookup(sha256_text(f"conformance:{name}"))

    def digests(self, name: str) -> dict[str, str]:
        """Give the digests of a committed request's outputs by port.

        Raises:
            NotKept: It is not committed.
        """
        found = self.look_up(name)
        if found.manifest is None or found.problem:
            raise NotKept(f"nothing is committed under the key ({found.problem})")
        return {output.port: output.artifact.digest for output in found.manifest.outputs}


def describes(trial: Trial) -> str:
    """`describe` prints a complete StageDescriptor, the same each time."""
    first, second = trial.subject.describe_text(), trial.subject.describe_text()
    if first != second:
        raise NotKept("two calls of describe print different things")
    found = trial.subject.parse(first)
    missing = [n for n in ("name", "version", "summary", "config_schema") if not getattr(found, n)]
    if missing:
        raise NotKept(f"the descriptor has no {', '.join(missing)}")
    if found.contract_version != CONTRACT_VERSION:
        raise NotKept(f"contract version {found.contract_version!r}, ours is {CONTRACT_VERSION!r}")
    if not found.outputs:
        raise NotKept("the descriptor has no outputs")
    for port in (*found.inputs, *found.outputs):
        if not port.name or not port.kinds:
            raise NotKept(f"port {port.name!r} has no name or no kind")
    names: list[set[str]] = []
    for text in (found.config_schema, found.runtime_schema):
        schema = settings(text)
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            raise NotKept(f"a settings schema is no JSON Schema: {error.message}") from error
        names.append(set(schema.get("properties", {})))
    if both := names[0] & names[1]:
        raise NotKept(f"settings both in config and in runtime: {', '.join(sorted(both))}")
    return f"{found.name} {found.version}"


def accepts_settings(trial: Trial) -> str:
    """The settings of this trial fit the descriptor's own schema."""
    schema = settings(trial.descriptor.config_schema)
    problems = check_settings(schema, dict(trial.config), trial.descriptor.name)
    if problems:
        raise NotKept("; ".join(str(problem) for problem in problems))
    return f"{len(trial.config)} settings"


def refuses_unknown_settings(trial: Trial) -> str:
    """An unknown setting ends with exit code 64 and a cause that names it."""
    request = trial.request("unknown", {**trial.config, UNKNOWN_SETTING: 1})
    outcome = trial.subject.run(request)
    _expect(outcome, EXIT_CONFIG)
    if UNKNOWN_SETTING not in outcome.stderr:
        raise NotKept(f"the cause does not name the setting: {outcome.cause!r}")
    return f"exit code {EXIT_CONFIG}"


def refuses_missing_inputs(trial: Trial) -> str:
    """An input that is not in the store ends with exit code 75, and nothing is committed."""
    if not trial.inputs:
        return "reads no artifacts"
    request = trial.request("missing-input")
    request.inputs[0].key = sha256_text("nothing has this key")
    _expect(trial.subject.run(request), EXIT_TRANSIENT)
    _nothing_visible(trial, "missing-input")
    return f"exit code {EXIT_TRANSIENT}"


def runs(trial: Trial) -> str:
    """A run commits a manifest with every declared output, digests and counts."""
    started = time.monotonic()
    outcome = trial.subject.run(trial.request("first"))
    trial.duration_s = time.monotonic() - started
    trial.first = outcome
    _expect(outcome, EXIT_OK)
    found = trial.look_up("first")
    if found.manifest is None or found.problem:
        raise NotKept(f"exit code 0, but nothing is committed ({found.problem})")
    manifest = found.manifest
    made = {output.port for output in manifest.outputs}
    declared = {port.name: port for port in trial.descriptor.outputs}
    missing = sorted(n for n, p in declared.items() if not p.optional and n not in made)
    if missing or made - set(declared):
        raise NotKept(f"outputs {sorted(made)}, declared {sorted(declared)}")
    for output in manifest.outputs:
        if output.artifact.kind not in declared[output.port].kinds:
            raise NotKept(f"output '{output.port}' is not of the declared kind")
        trial.manifests.fetch(manifest.key, output.artifact, trial.work / "fetched" / output.port)
    if not manifest.cost.HasField("wall_seconds"):
        raise NotKept("the manifest has no cost")
    return f"{sum(len(output.artifact.blobs) for output in manifest.outputs)} files"


def conserves_rows(trial: Trial) -> str:
    """Rows in = rows out + rejected, where the descriptor says so."""
    found = trial.look_up("first").manifest
    if found is None:
        raise NotKept("nothing was committed")
    if not trial.descriptor.conserves_rows:
        return "not promised"
    rejected = sum(reject.rows for reject in found.rejected)
    if found.rows_in != found.rows_out + rejected:
        raise NotKept(f"{found.rows_in} in, {found.rows_out} out, {rejected} rejected")
    return f"{found.rows_in} = {found.rows_out} + {rejected}"


def repeats_nothing(trial: Trial) -> str:
    """The same request again ends with 0 and changes nothing."""
    before = trial.look_up("first")
    _expect(trial.subject.run(trial.request("first")), EXIT_OK)
    after = trial.look_up("first")
    if before.digest != after.digest:
        raise NotKept("the manifest was written again")
    return "manifest unchanged"


def is_deterministic(trial: Trial) -> str:
    """The same work under another key gives the same output digests."""
    _expect(trial.subject.run(trial.request("second")), EXIT_OK)
    first, second = trial.digests("first"), trial.digests("second")
    different = sorted(port for port in first if first[port] != second.get(port))
    if different:
        raise NotKept(f"outputs differ between two runs: {', '.join(different)}")
    return f"{len(first)} outputs"


def stops_politely(trial: Trial) -> str:
    """SIGTERM ends it with 130 (or 0 if it was done); nothing half-made shows; it goes on after."""
    codes = []
    for moment in _TERM_MOMENTS:
        name = f"terminated-{moment}"
        outcome = trial.subject.run_and_terminate(trial.request(name), trial.duration_s * moment)
        codes.append(outcome.exit_code)
        # Before the handler is in place a process dies of the signal itself.
        if outcome.exit_code not in (EXIT_OK, EXIT_CANCELLED, -15, 128 + 15):
            raise NotKept(f"SIGTERM at {moment:.0%}: exit code {outcome.exit_code}, not 130")
        # A signal that comes just after the commit finds the step whole; half of it, never.
        found = trial.look_up(name)
        if found.manifest is not None and found.problem:
            raise NotKept(f"SIGTERM at {moment:.0%}: visible and not whole: {found.problem}")
        _expect(trial.subject.run(trial.request(name)), EXIT_OK)
        if trial.digests(name) != trial.digests("first"):
            raise NotKept(f"after SIGTERM at {moment:.0%} the outputs are others")
    return "exit codes " + ", ".join(str(code) for code in codes)


CHECKS: tuple[Callable[[Trial], str], ...] = (
    describes,
    accepts_settings,
    refuses_unknown_settings,
    refuses_missing_inputs,
    runs,
    conserves_rows,
    repeats_nothing,
    is_deterministic,
    stops_politely,
)


def _expect(outcome: Outcome, exit_code: int) -> None:
    if outcome.exit_code != exit_code:
        raise NotKept(f"exit code {outcome.exit_code}, not {exit_code}: {outcome.cause}")
    if exit_code and not outcome.cause:
        raise NotKept(f"exit code {exit_code} without a cause on stderr")


def _nothing_visible(trial: Trial, name: str) -> None:
    found = trial.look_up(name)
    if found.manifest is not None:
        raise NotKept("a manifest is visible though the run did not end well")
