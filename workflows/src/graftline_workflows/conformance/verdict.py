"""Run all checks and say what came out, for people and for CI."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graftline.errors import GraftlineError
from graftline.sources import content_fingerprint, local_path
from graftline.store import EmbeddedStore, Manifests, Store
from graftline.v1 import manifest_pb2
from graftline_workflows.conformance.checks import CHECKS, NotKept, Trial
from graftline_workflows.conformance.fixtures import place_inputs
from graftline_workflows.conformance.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True)
class CheckResult:
    """One promise: kept, not kept, or not reached because the stage does not run at all."""

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
    with tempfile.TemporaryDirectory(prefix="graftline-conformance-") as temporary:
        home = Path(temporary)
        with EmbeddedStore(home) as embedded:
            store = Store.open(embedded.uri, embedded.environment)
            store.probe()
            work = home / "work"
            work.mkdir()
            subject = Subject(command, embedded.environment, work, timeout_s)
            descriptor = subject.describe()
            manifests = Manifests(store)
            trial = Trial(
                subject=subject,
                manifests=manifests,
                store_uri=embedded.uri,
                config={**sources, **config},
                inputs=place_inputs(descriptor, inputs, manifests, home / "fixtures"),
                sources=[_source(setting, uri) for setting, uri in sources.items()],
                seed=seed,
                work=work,
                descriptor=descriptor,
            )
            results = []
            for result in _run_checks(trial):
                tell(result)
                results.append(result)
    passed = all(result.state == "kept" for result in results)
    return Verdict(command, descriptor.name, passed, tuple(results))


def _run_checks(trial: Trial) -> Iterator[CheckResult]:
    runs_at_all = True
    for check in CHECKS:
        name = check.__name__.replace("_", "-")
        promise = (check.__doc__ or "").strip().removesuffix(".")
        started = time.monotonic()
        if not runs_at_all:
            yield CheckResult(name, promise, "not reached", "the stage does not run", 0.0)
            continue
        try:
            state, detail = "kept", check(trial)
        except (NotKept, GraftlineError) as error:
            state, detail = "not kept", str(error)
            runs_at_all = name not in ("describes", "runs")
        yield CheckResult(name, promise, state, detail, time.monotonic() - started)


def _source(setting: str, uri: str) -> manifest_pb2.SourceRef:
    path = local_path(uri)
    return manifest_pb2.SourceRef(setting=setting, uri=uri, fingerprint=content_fingerprint(path))
