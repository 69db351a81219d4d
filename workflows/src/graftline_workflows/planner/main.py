"""The console script `graftline-planner`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from graftline.errors import (
    EXIT_BUG,
    EXIT_HELP,
    EXIT_OK,
    ConfigError,
    GraftlineError,
    TransientError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from graftline.v1 import plan_pb2
    from graftline_workflows.planner.environment import PodEnvironment
    from graftline_workflows.recipe import ResolvedRecipe

T = TypeVar("T")

_TERMINATION_LOG = Path("/dev/termination-log")
_TERMINATION_LIMIT = 4096
"""Kubernetes cuts a message there."""

_GATE_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one command; give its exit code, its cause told on stderr and to Kubernetes."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.serve(options))
    except GraftlineError as error:
        return _fail(str(error), error.exit_code)
    except Exception as error:
        traceback.print_exc()
        return _fail(f"{type(error).__name__}: {error}", EXIT_BUG)


def run() -> None:
    """Serve this process's command line and end it."""
    sys.exit(main())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="graftline-planner",
        description="What a run's first and last pods do. Argo calls it; people use graftline.",
        epilog="Exit codes: " + "; ".join(f"{code} {text}" for code, text in EXIT_HELP.items()),
    )
    commands = parser.add_subparsers(dest="command", required=True)
    plan = commands.add_parser("plan", help="plan a run and leave its steps' requests in the store")
    plan.add_argument("--recipe", type=Path, required=True, help="the recipe's file")
    plan.add_argument("--namespace", default="", help="where the run is, for its record")
    plan.add_argument("--contract", required=True, help="the contract's version of the template")
    plan.add_argument("--ranks", default="1", help="pods for a step that can work in ranks")
    plan.add_argument(
        "--image", action="append", default=[], metavar="STAGE=REFERENCE", help="a stage's image"
    )
    plan.add_argument(
        "--patch",
        action="append",
        default=[],
        metavar="STAGE=JSON",
        help="the patch of the pods of a stage that asks a language model",
    )
    plan.add_argument(
        "--step", action="append", default=[], metavar="STEP:STAGE:READS", help="a task of the DAG"
    )
    plan.set_defaults(serve=_plan)
    gate = commands.add_parser("gate", help="judge a run and close its record")
    gate.set_defaults(serve=_gate)
    for command in (plan, gate):
        command.add_argument("--run", required=True, help="the run's id")
        command.add_argument("--outputs", type=Path, required=True, help="the folder for Argo")
    return parser


def _reachable() -> PodEnvironment:
    """Read the pod's environment, and wait for the store that it names."""
    from graftline.store import Store, await_answer
    from graftline_workflows.planner.environment import PodEnvironment

    environment = PodEnvironment(os.environ)
    await_answer(Store.open(environment.store))
    return environment


def _plan(options: argparse.Namespace) -> int:
    from graftline_workflows.argo.graph import GraphStep
    from graftline_workflows.home import Home
    from graftline_workflows.planner.plan import PlanOrder, PodPlan
    from graftline_workflows.session import StoreSession

    environment = _reachable()
    order = PlanOrder(
        recipe=options.recipe,
        run=options.run,
        namespace=options.namespace,
        outputs=options.outputs.absolute(),
        contract=options.contract,
        ranks=options.ranks,
        images=_by_stage("--image", options.image),
        patches=_by_stage("--patch", options.patch),
        steps=[GraphStep.parse(text) for text in options.step],
    )
    with StoreSession(Home(options.outputs), environment.store) as session:
        plan = PodPlan(order, environment, session)
        _tell(plan.hand_over(), plan.resolved)
    return EXIT_OK


def _gate(options: argparse.Namespace) -> int:
    from graftline_workflows.home import Home
    from graftline_workflows.planner.verdict import PodGate
    from graftline_workflows.session import StoreSession

    environment = _reachable()
    with StoreSession(Home(options.outputs), environment.store) as session:
        gate = PodGate(session, options.run, environment.failures)
        ending = _patiently(lambda: gate.close(options.outputs.absolute()))
    if ending.exit_code != EXIT_OK:
        return _fail(ending.reason, ending.exit_code)
    sys.stdout.write("gate passed\n" if ending.judgement.verdict is not None else "no gate\n")
    return EXIT_OK


def _patiently(work: Callable[[], T]) -> T:
    """Try again while the store is away: Argo would put its own words over the gate's reason."""
    for pause_s in _GATE_PAUSES_S:
        try:
            return work()
        except TransientError as error:
            sys.stderr.write(f"{error}; again in {pause_s:.0f} s\n")
            time.sleep(pause_s)
    return work()


def _by_stage(option: str, texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        stage, equals, value = text.partition("=")
        if not (stage and equals):
            raise ConfigError(f"{option} {text}: STAGE=… is wanted")
        found[stage] = value
    return found


def _tell(plan: plan_pb2.Plan, resolved: ResolvedRecipe) -> None:
    """Print the plan where `kubectl logs` finds it."""
    for warning in resolved.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    for item in plan.steps:
        mark = "=" if item.cached else "+"
        request = item.request
        sys.stdout.write(f"{mark} {request.step}  {request.stage}  {request.key}  {item.reason}\n")
    cached = sum(item.cached for item in plan.steps)
    sys.stdout.write(f"{len(plan.steps) - cached} to build, {cached} cached\n")


def _fail(cause: str, exit_code: int) -> int:
    sys.stderr.write(f"error: {cause}\n")
    # The exit code says more than the text: a full disk must not put another in its place.
    with contextlib.suppress(OSError):
        if _TERMINATION_LOG.is_file() and os.access(_TERMINATION_LOG, os.W_OK):
            data = cause.encode()[:_TERMINATION_LIMIT]
            _TERMINATION_LOG.write_text(data.decode(errors="ignore"), encoding="utf-8")
    return exit_code


if __name__ == "__main__":
    run()
