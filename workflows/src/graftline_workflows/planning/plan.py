"""From a resolved recipe and the store's state to a plan: a pure function of both."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Protocol

from graftline import CONTRACT_VERSION
from graftline.canonical import canonical_json
from graftline.errors import BugError, ConfigError
from graftline.keys import KeyInput, step_key
from graftline.v1 import manifest_pb2, plan_pb2, stage_pb2
from graftline_workflows.planning.reasons import LastRun, why_build
from graftline_workflows.planning.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from graftline_workflows.catalog import Catalog
    from graftline_workflows.recipe import ResolvedRecipe, ResolvedStep
    from graftline_workflows.sources import Fingerprint


OTHER_OUTPUTS = "change that step's settings back, or let a recipe of your own read what it makes"


class Lookup(Protocol):
    """What the store knows of a key (`graftline.store.Lookup`)."""

    @property
    def manifest(self) -> manifest_pb2.Manifest | None:
        """The manifest, if there is a complete artifact."""

    @property
    def problem(self) -> str:
        """Why it does not count; empty for a hit, `absent` if there is nothing."""


def make_plan(
    recipe: ResolvedRecipe,
    catalog: Catalog,
    lookup: Callable[[str, Mapping[str, manifest_pb2.Manifest]], Lookup],
    fingerprints: Mapping[str, Fingerprint],
    last: plan_pb2.RunRecord | None = None,
    *,
    until: str | None = None,
    from_: str | None = None,
    only: str | None = None,
    again: Collection[str] = (),
    run: str = "",
    store_uri: str = "",
) -> plan_pb2.Plan:
    """Plan a recipe: every step with its key, whether it is cached, and the reason.

    Args:
        recipe: The recipe.
        catalog: The stages, for steps of their own code (others bring their description).
        lookup: Asks the store for a key, given the manifests of its inputs by key.
        fingerprints: Of all sources, by URI.
        last: The last run of this recipe, from which the reasons are told.
        until: Only this step and what it needs.
        from_: Only this step and what follows from it.
        only: Only this step.
        again: Steps that count as not there.
        run: The run's id, for the requests.
        store_uri: The store's URI, for the requests.

    Returns:
        The selected steps and, all cached, what they need; in an order in which they can run.

    Raises:
        ConfigError: A step named does not exist, something that the selection needs and does not
            contain is not cached, or a step reads what another, as it is set, did not make.
    """
    selection = Selection(recipe, until=until, from_=from_, only=only)
    selection.check_chosen(again)
    history = LastRun(last)
    plan = plan_pb2.Plan(recipe=recipe.name, profile=recipe.profile)
    requests: dict[str, stage_pb2.StageRequest] = {}
    cached: dict[str, manifest_pb2.Manifest] = {}
    missing: dict[str, str] = {}
    for step in recipe.steps:
        request = _request(recipe, step, requests, fingerprints, run, store_uri)
        requests[step.name] = request
        if step.name not in selection.needed:
            continue
        manifests = {item.key: cached[item.step] for item in request.inputs if item.step in cached}
        if text := missing_output(request, manifests):
            raise ConfigError(f"step '{step.name}' {text}", OTHER_OUTPUTS)
        to_build = [item.step for item in step.inputs if item.step not in cached]
        if to_build:
            reason = why_build(request, history, "absent", to_build)
        else:
            found = lookup(request.key, manifests)
            if step.name in again:
                reason = "asked for again"
            elif found.manifest is not None and not found.problem:
                cached[step.name] = found.manifest
                reason = "cached"
            else:
                reason = why_build(request, history, found.problem or "absent", [])
        if step.name not in selection.chosen and step.name not in cached:
            missing[step.name] = reason
        plan.steps.add(
            request=request,
            cached=step.name in cached,
            reason=reason,
            resources=step.descriptor.resources or stage_pb2.RESOURCE_CLASS_CPU,
        )
    if missing:
        raise _not_cached(recipe, selection, missing)
    return plan


def missing_output(
    request: stage_pb2.StageRequest, inputs: Mapping[str, manifest_pb2.Manifest]
) -> str:
    """Say which output a step reads that was not made; nothing if all are there.

    Args:
        request: The step.
        inputs: The manifests of the steps that it reads, by key, as far as they are there.
    """
    for item in request.inputs:
        if item.key in inputs:
            made = [output.port for output in inputs[item.key].outputs]
            if item.output not in made:
                return (
                    f"reads '{item.step}.{item.output}', but as it is set, '{item.step}' made only"
                    f" {', '.join(made) or 'nothing'}"
                )
    return ""


def _request(
    recipe: ResolvedRecipe,
    step: ResolvedStep,
    requests: Mapping[str, stage_pb2.StageRequest],
    fingerprints: Mapping[str, Fingerprint],
    run: str,
    store_uri: str,
) -> stage_pb2.StageRequest:
    """Make a step's request, its key computed; the steps that it reads come before it."""
    config = dict(step.config)
    sources = []
    for source in step.sources:
        found = fingerprints.get(source.uri)
        if found is None:
            raise BugError(f"source '{source.uri}' of step '{step.name}' has no fingerprint")
        config[source.setting] = found.uri
        sources.append(
            manifest_pb2.SourceRef(
                setting=source.setting, uri=found.uri, fingerprint=found.fingerprint
            )
        )
    inputs = [
        stage_pb2.RequestInput(
            port=item.port, step=item.step, key=requests[item.step].key, output=item.output
        )
        for item in step.inputs
    ]
    key = step_key(
        stage=step.stage,
        identity=step.identity,
        config=config,
        seed=step.seed,
        inputs=[KeyInput(item.port, item.key, item.output) for item in inputs],
        sources={source.setting: source.fingerprint for source in sources},
    )
    return stage_pb2.StageRequest(
        contract_version=CONTRACT_VERSION,
        run=run,
        step=step.name,
        stage=step.stage,
        key=key,
        image=step.image,
        identity=step.identity,
        config=canonical_json(config),
        runtime=canonical_json(dict(step.runtime)),
        seed=step.seed,
        inputs=inputs,
        sources=sources,
        store=store_uri,
        rank=0,
        ranks=1,
        attempt=1,
    )


def _not_cached(
    recipe: ResolvedRecipe, selection: Selection, missing: Mapping[str, str]
) -> ConfigError:
    """Say what is missing, with one command for each end of it."""
    listed = "".join(f"\n  - {name}: {reason}" for name, reason in missing.items())
    words = ["graftline", "run", recipe.name]
    if recipe.profile:
        words += ["--profile", recipe.profile]
    for override in recipe.overrides:
        words += ["--set", override]
    for image in dict.fromkeys(f"{step.stage}={step.image}" for step in recipe.steps if step.image):
        words += ["--image", image]
    read = {item.step for name in missing for item in recipe.step(name).inputs}
    commands = [shlex.join([*words, "--until", name]) for name in missing if name not in read]
    return ConfigError(
        f"{selection.asked} needs steps that are not cached:{listed}",
        f"build them with: {' && '.join(commands)}",
    )
