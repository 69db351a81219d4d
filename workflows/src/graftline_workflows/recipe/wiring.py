"""Which step reads what from which, checked against the stages' ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graftline.config import nearest
from graftline.errors import Problem
from graftline_workflows.catalog.model import kinds_of
from graftline_workflows.recipe.resolved import ResolvedInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graftline.v1 import stage_pb2
    from graftline_workflows.catalog.model import StageEntry
    from graftline_workflows.recipe.model import Step


def wire(
    steps: Mapping[str, Step], absent: Mapping[str, str], stages: Mapping[str, StageEntry]
) -> tuple[dict[str, tuple[ResolvedInput, ...]], list[Problem]]:
    """Resolve every step's `from`.

    Args:
        steps: The steps that exist.
        absent: Why a step of the recipe does not exist, by its name.
        stages: The stage of each step that exists, if it is known.

    Returns:
        The inputs by step, in the order of the stage's ports, and what is wrong.
    """
    problems: list[Problem] = []
    inputs: dict[str, tuple[ResolvedInput, ...]] = {}
    for name, step in steps.items():
        if name not in stages:
            continue
        found: dict[str, list[ResolvedInput]] = {}
        for port_name, references in step.from_.items():
            path = f"{name}.from.{port_name}"
            port = stages[name].inputs.get(port_name)
            if port is None:
                allowed = stages[name].inputs
                hint = nearest(port_name, allowed)
                listed = f"; its ports: {', '.join(allowed) or 'none'}" if not hint else ""
                message = f"stage '{step.uses}' has no input port '{port_name}'{hint}{listed}"
                problems.append(Problem(path, message))
                continue
            found[port_name] = _port_inputs(
                port, _listed(references), path, steps, absent, stages, problems
            )
        for port_name, port in stages[name].inputs.items():
            path = f"{name}.from.{port_name}"
            told = any(problem.path == path for problem in problems) or any(
                reference.partition(".")[0] in steps.keys() - stages.keys()
                for reference in _listed(step.from_.get(port_name, []))
            )
            if not port.optional and not told and not found.get(port_name):
                message = f"is required: a step that gives {' or '.join(kinds_of(port))}"
                for reference in _listed(step.from_.get(port_name, [])):
                    named = reference.partition(".")[0]
                    message += f"; step '{named}' is not in this run: {absent[named]}"
                problems.append(Problem(path, message))
        inputs[name] = tuple(
            item for port_name in stages[name].inputs for item in found.get(port_name, ())
        )
    return inputs, problems


def _listed(references: str | list[str]) -> list[str]:
    return [references] if isinstance(references, str) else references


def _port_inputs(
    port: stage_pb2.Port,
    references: list[str],
    path: str,
    steps: Mapping[str, Step],
    absent: Mapping[str, str],
    stages: Mapping[str, StageEntry],
    problems: list[Problem],
) -> list[ResolvedInput]:
    found: list[ResolvedInput] = []
    for reference in references:
        step, _, output = reference.partition(".")
        if step in absent:
            if not port.repeated and not port.optional:
                message = f"reads step '{step}', which does not exist here: {absent[step]}"
                problems.append(Problem(path, message))
            continue
        if step not in steps:
            problems.append(Problem(path, f"unknown step '{step}'{nearest(step, steps)}"))
            continue
        if step not in stages:
            continue  # its stage is unknown, which is reported there
        chosen, message = _choose_output(port, step, output, stages[step])
        if message:
            problems.append(Problem(path, message))
        else:
            found.append(ResolvedInput(port.name, step, chosen))
    if len(found) > 1 and not port.repeated:
        message = f"takes one artifact, not {len(found)} ({', '.join(references)})"
        problems.append(Problem(path, message))
    return found


def _choose_output(
    port: stage_pb2.Port, step: str, output: str, stage: StageEntry
) -> tuple[str, str]:
    """Give the output that a reference means, or what is wrong with it."""
    wanted = " or ".join(kinds_of(port))
    if output:
        given = stage.outputs.get(output)
        if given is None:
            return "", f"step '{step}' has no output '{output}'{nearest(output, stage.outputs)}"
        if not set(given.kinds) & set(port.kinds):
            gives = " or ".join(kinds_of(given))
            return "", f"takes {wanted}, but '{step}.{output}' gives {gives}"
        return output, ""
    fitting = [name for name, item in stage.outputs.items() if set(item.kinds) & set(port.kinds)]
    if len(fitting) == 1:
        return fitting[0], ""
    if not fitting:
        gives = ", ".join(
            f"{name} ({' or '.join(kinds_of(item))})" for name, item in stage.outputs.items()
        )
        return "", f"takes {wanted}, but step '{step}' gives {gives or 'nothing'}"
    listed = " or ".join(f"{step}.{name}" for name in fitting)
    return "", f"step '{step}' has more than one output that fits: say {listed}"


def runnable_order(
    inputs: Mapping[str, tuple[ResolvedInput, ...]],
) -> tuple[list[str], list[Problem]]:
    """Order steps so that each comes after all that it reads, else as in the recipe.

    Returns:
        The order, and a problem if steps read each other in a circle.
    """
    order: list[str] = []
    waiting = list(inputs)
    while waiting:
        ready = [
            name
            for name in waiting
            if all(item.step in order or item.step not in inputs for item in inputs[name])
        ]
        if not ready:
            circle = _circle(inputs, waiting)
            return order, [Problem("steps", f"steps read each other in a circle: {circle}")]
        order.append(ready[0])
        waiting.remove(ready[0])
    return order, []


def _circle(inputs: Mapping[str, tuple[ResolvedInput, ...]], waiting: list[str]) -> str:
    """Walk against the arrows until a step comes twice."""
    path = [waiting[0]]
    while True:
        before = next(item.step for item in inputs[path[-1]] if item.step in waiting)
        if before in path:
            circle = [*path[path.index(before) :], before]
            return " → ".join(reversed(circle))
        path.append(before)
