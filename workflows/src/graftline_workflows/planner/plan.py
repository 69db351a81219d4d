"""`graftline-planner plan`: what a run has to build, left in the store for its pods."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graftline import CONTRACT_VERSION
from graftline.canonical import canonical_json
from graftline.errors import ConfigError, Problem
from graftline_workflows.argo import names
from graftline_workflows.argo.graph import GraphStep
from graftline_workflows.asking import IN_A_CLUSTER, nobody_to_ask
from graftline_workflows.planner.asked import read_parameters, replaced_images
from graftline_workflows.planner.verdict import gate_name
from graftline_workflows.planning.planner import Planner
from graftline_workflows.recipe.files import read_recipe
from graftline_workflows.recipe.model import parse_recipe
from graftline_workflows.records import RunBook, new_record
from graftline_workflows.release import read_release

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graftline.v1 import plan_pb2
    from graftline_workflows.planner.environment import PodEnvironment
    from graftline_workflows.recipe import ResolvedRecipe
    from graftline_workflows.session import StoreSession

_UPGRADE = (
    "template and recipe are of different versions: upgrade the chart, or render the recipe again "
    "(graftline render) and apply both"
)


@dataclass(frozen=True)
class PlanOrder:
    """What the template tells a plan pod.

    Args:
        recipe: The recipe's file.
        run: The run's id.
        namespace: Where it runs.
        outputs: Where the files for Argo go.
        contract: The contract's version that the template was rendered for.
        ranks: Pods for a step that can work in ranks.
        images: The image of each stage.
        patches: The patch of the pods of each stage that asks a language model.
        steps: The DAG's steps.
    """

    recipe: Path
    run: str
    namespace: str
    outputs: Path
    contract: str
    ranks: str
    images: Mapping[str, str]
    patches: Mapping[str, str]
    steps: Sequence[GraphStep]


class PodPlan:
    """Plans a run, and hands it over.

    Args:
        order: What the template tells.
        environment: The pod's.
        session: The store.

    Raises:
        ConfigError: What was asked cannot be meant, or does not fit the template.
    """

    def __init__(
        self, order: PlanOrder, environment: PodEnvironment, session: StoreSession
    ) -> None:
        """Read recipe and parameters, while the store is opening."""
        self._order = order
        self._session = session
        if order.contract != CONTRACT_VERSION:
            raise ConfigError(
                f"the template is for contract {order.contract}, this planner's is "
                f"{CONTRACT_VERSION}",
                _UPGRADE,
            )
        self._ranks = _whole_number(order.ranks)
        release = read_release(environment.release)
        file = read_recipe(str(order.recipe))
        recipe = parse_recipe(file.values, f"recipe {order.recipe.name}")
        wanted = read_parameters(
            file.path,
            recipe,
            environment.parameters,
            replaced_images(order.images, environment.own_images),
        )
        os.chdir(file.path.parent)  # a file that a parameter names is one beside the recipe
        self._planner = Planner(
            wanted, None, session, order.run, own=release.own_code, known=release.sources
        )
        self.resolved: ResolvedRecipe = self._planner.resolved
        _check_template(self.resolved, order.steps)

    def hand_over(self) -> plan_pb2.Plan:
        """Plan, leave record, requests and gate in the store, and tell Argo what to build.

        Raises:
            ConfigError: A step to be built would have no language model to ask.
            GraftlineError: The store or the folder does not take it.
        """
        plan = self._planner.plan()
        self._check_servers(plan)
        for item in plan.steps:
            if self.resolved.step(item.request.step).descriptor.ranks:
                item.request.ranks = self._ranks
            if not item.cached:
                self._session.records.save_request(item.request)
        gate = self.resolved.gate
        self._session.store.put(
            gate_name(self._order.run),
            canonical_json(gate.model_dump() if gate is not None else None).encode(),
        )
        record = new_record(
            self._order.run,
            plan,
            self.resolved.text,
            self.resolved.overrides,
            engine="argo",
            host=self._order.namespace,
        )
        RunBook(self._session, record).begin()
        self._write_outputs(plan)
        return plan

    def _check_servers(self, plan: plan_pb2.Plan) -> None:
        to_build = [self.resolved.step(s.request.step) for s in plan.steps if not s.cached]
        problems = nobody_to_ask(to_build, self._order.patches)
        if problems:
            error = ConfigError.of(problems, "cannot run")
            raise ConfigError(error.cause, IN_A_CLUSTER, error.problems)

    def _write_outputs(self, plan: plan_pb2.Plan) -> None:
        to_build = {item.request.step: item.request for item in plan.steps if not item.cached}
        self._order.outputs.mkdir(parents=True, exist_ok=True)
        present = json.dumps([item.request.step for item in plan.steps])
        (self._order.outputs / names.STEPS_OUTPUT).write_text(present, encoding="utf-8")
        for step in self._order.steps:
            request = to_build.get(step.name)
            ranks = list(range(request.ranks)) if request is not None else []
            for name, text in (
                (names.build_output(step.name), "true" if request is not None else "false"),
                (names.ranks_output(step.name), json.dumps(ranks)),
            ):
                (self._order.outputs / name).write_text(text, encoding="utf-8")


def _check_template(resolved: ResolvedRecipe, steps: Sequence[GraphStep]) -> None:
    """Check that the template's DAG runs these steps, each after all that it reads.

    Raises:
        ConfigError: It does not.
    """
    there = {step.name: step for step in steps}
    problems = []
    for step in resolved.steps:
        task = there.get(step.name)
        if task is None:
            problems.append(Problem(step.name, "the template has no such step"))
            continue
        if task.stage != step.stage:
            message = f"is a step of stage '{step.stage}', in the template of '{task.stage}'"
            problems.append(Problem(step.name, message))
        unread = sorted({item.step for item in step.inputs} - set(task.reads))
        if unread:
            message = f"reads {', '.join(unread)}, for which the template does not wait"
            problems.append(Problem(step.name, message))
    if problems:
        error = ConfigError.of(problems, f"recipe '{resolved.name}'")
        raise ConfigError(error.cause, _UPGRADE, error.problems)


def _whole_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ConfigError(f"-p {names.RANKS}={text}: must be a whole number from 1 on")
    return int(text)
