"""Run all checks and say what came out, for people and for CI."""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from graftline.errors import ConfigError, GraftlineError
from graftline.sources import content_fingerprint, local_path
from graftline.store import EmbeddedStore, Manifests, Store
from graftline.v1 import manifest_pb2
from graftline_workflows.conformance.checks import (
    CHECKS,
    NotKept,
    NotReached,
    Trial,
    describes,
    runs,
)
from graftline_workflows.conformance.container_cli import ContainerCli, ContainerCliFailed
from graftline_workflows.conformance.fixtures import place_inputs
from graftline_workflows.conformance.image import ImageSubject
from graftline_workflows.conformance.image_checks import (
    BEFORE,
    IMAGE_CHECKS,
    REASONS,
    ImageTrial,
)
from graftline_workflows.conformance.subject import CommandSubject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

AnyTrial = TypeVar("AnyTrial", bound=Trial)
_SOURCES = "/graftline/sources"


@dataclass(frozen=True)
class CheckResult:
    """One promise: kept, not kept, or not reached because something before it went wrong."""

    name: str
    promise: str
    state: str
    detail: str
    seconds: float


@dataclass(frozen=True)
class Verdict:
    """All promises of one stage."""

    command: str
    stage: str
    passed: bool
    checks: tuple[CheckResult, ...]

    def to_json(self) -> dict[str, Any]:
        """Give what `--json` prints."""
        return asdict(self)


def judge_stage(
    command: str,
    *,
    config: Mapping[str, Any],
    inputs: Mapping[str, Path],
    sources: Mapping[str, str],
    seed: int = 0,
    timeout_s: float = 600.0,
    tell: Callable[[CheckResult], None] = lambda result: None,
) -> Verdict:
    """Run a stage's command through every check, in a store of its own.

    Args:
        command: `python -m graftline_curate`, or `exec:./my-stage`.
        config: Its settings.
        inputs: Folders for its ports; kinds with a built-in fixture may be left out.
        sources: Local paths or `package://` addresses by source setting.
        seed: The step's seed.
        timeout_s: How long one run may take.
        tell: Called after each check.

    Raises:
        ConfigError: The command or a fixture cannot be used at all.
    """
    with _bench() as bench:
        subject = CommandSubject(command, bench.embedded.environment, bench.work, timeout_s)
        trial = Trial(
            subject=subject,
            manifests=bench.manifests,
            store_uri=bench.embedded.uri,
            config={**sources, **config},
            sources=[_source(setting, uri, uri) for setting, uri in sources.items()],
            seed=seed,
            work=bench.work,
        )
        trial.descriptor = subject.describe()
        trial.inputs = place_inputs(trial.descriptor, inputs, bench.manifests, bench.fixtures)
        return _verdict(trial, _run_checks(trial, CHECKS, (), tell))


def judge_image(
    reference: str,
    *,
    config: Mapping[str, Any],
    inputs: Mapping[str, Path],
    sources: Mapping[str, str],
    seed: int = 0,
    timeout_s: float = 600.0,
    container_cli: str = "",
    tell: Callable[[CheckResult], None] = lambda result: None,
) -> Verdict:
    """Run an image through every check, confined as in a cluster, in a store of its own.

    Args:
        reference: The image, pulled if it is not here.
        config: The stage's settings.
        inputs: Folders for its ports; kinds with a built-in fixture may be left out.
        sources: Local paths or `package://` addresses by source setting; the container finds
            them below `/graftline/sources`, and any user must be able to read them.
        seed: The step's seed.
        timeout_s: How long one run may take.
        container_cli: `docker` or `podman`; the first that works if empty.
        tell: Called after each check.

    Raises:
        ConfigError: There is no docker or podman that works, the image cannot be pulled, or a
            fixture cannot be used at all.
        ContainerCliFailed: docker or podman fails.
    """
    cli = ContainerCli.find(container_cli)
    paths = {setting: local_path(uri) for setting, uri in sources.items()}
    mounted = {setting: f"{_SOURCES}/{setting}/{path.name}" for setting, path in paths.items()}
    with (
        _bench() as bench,
        ImageSubject(
            reference,
            cli,
            bench.store,
            bench.embedded.environment,
            {mounted[setting]: path for setting, path in paths.items()},
            timeout_s,
        ) as subject,
    ):
        trial = ImageTrial(
            subject=subject,
            manifests=bench.manifests,
            store_uri=bench.embedded.uri,
            config={**mounted, **config},
            sources=[_source(setting, sources[setting], mounted[setting]) for setting in sources],
            seed=seed,
            work=bench.work,
        )
        results = _run_checks(trial, BEFORE, (), tell)
        try:
            trial.descriptor = subject.describe()
        except ConfigError:
            pass  # the check of that name says so
        else:
            trial.inputs = place_inputs(trial.descriptor, inputs, bench.manifests, bench.fixtures)
        results += _run_checks(trial, IMAGE_CHECKS, REASONS, tell)
        return _verdict(trial, results)


@dataclass(frozen=True)
class _Bench:
    """A store of its own and folders for one stage under test."""

    embedded: EmbeddedStore
    store: Store
    manifests: Manifests
    work: Path
    fixtures: Path


@contextmanager
def _bench() -> Iterator[_Bench]:
    with tempfile.TemporaryDirectory(prefix="graftline-conformance-") as temporary:
        home = Path(temporary)
        with EmbeddedStore(home) as embedded:
            store = Store.open(embedded.uri, embedded.environment)
            store.probe()
            work = home / "work"
            work.mkdir()
            yield _Bench(embedded, store, Manifests(store), work, home / "fixtures")


def _run_checks(
    trial: AnyTrial,
    checks: Sequence[Callable[[AnyTrial], str]],
    reasons: Sequence[Callable[[AnyTrial], str]],
    tell: Callable[[CheckResult], None],
) -> list[CheckResult]:
    """Run checks in order; once the stage does not run, only those that look for the reason."""
    results = []
    runs_at_all = True
    for check in checks:
        started = time.monotonic()
        state, detail = "kept", ""
        try:
            if not runs_at_all and check not in reasons:
                raise NotReached("the stage does not run")
            detail = check(trial)
        except ContainerCliFailed:
            raise
        except NotReached as reason:
            state, detail = "not reached", str(reason)
        except (NotKept, GraftlineError) as error:
            state, detail = "not kept", str(error)
            runs_at_all = runs_at_all and check not in (describes, runs)
        name = check.__name__.replace("_", "-")
        promise = (check.__doc__ or "").strip().removesuffix(".")
        results.append(CheckResult(name, promise, state, detail, time.monotonic() - started))
        tell(results[-1])
    return results


def _verdict(trial: Trial, results: list[CheckResult]) -> Verdict:
    passed = all(result.state == "kept" for result in results)
    return Verdict(trial.subject.command, trial.descriptor.name, passed, tuple(results))


def _source(setting: str, uri: str, seen_as: str) -> manifest_pb2.SourceRef:
    fingerprint = content_fingerprint(local_path(uri))
    return manifest_pb2.SourceRef(setting=setting, uri=seen_as, fingerprint=fingerprint)
