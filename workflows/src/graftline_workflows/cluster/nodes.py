"""An Argo workflow's status made into steps, as people think of them.

A task of the recipe's DAG is one step, whatever nodes Argo makes for it: a `Retry` node with a
`Pod` for each attempt, a `TaskGroup` with these for each rank, or `Skipped` where its `when` says
that it is cached. The gate is the workflow's exit handler.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from graftline.errors import DataError
from graftline_workflows.argo.names import (
    GATE_TEMPLATE,
    LABEL_RECIPE,
    PLAN_TEMPLATE,
    STEPS_OUTPUT,
)
from graftline_workflows.cluster.causes import is_stop
from graftline_workflows.cluster.names import (
    EXIT_HANDLER,
    PREFIX,
    VERDICT_OUTPUT,
)
from graftline_workflows.cluster.views import BAD, ENDED, Attempt, State, StepView, WorkflowView

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Node = Mapping[str, Any]

_BASE = re.compile(r"[^.(\[]+")
_ATTEMPT = re.compile(r"\((\d+)\)$")
_SIGNALLED = (130, 137, 143)


def read_workflow(workflow: Mapping[str, Any]) -> WorkflowView:
    """Read a Workflow object.

    Raises:
        DataError: Its nodes are kept elsewhere (offloaded to Argo's database).
    """
    metadata, spec = workflow["metadata"], workflow.get("spec") or {}
    status = workflow.get("status") or {}
    name = str(metadata["name"])
    stopped = bool(spec.get("shutdown"))
    nodes = _nodes(name, status)
    grouped = _by_task(name, nodes)
    after = grouped.pop(EXIT_HANDLER, [])
    names = dict.fromkeys([*_task_names(spec, status), *grouped])
    ended = status.get("phase", "") in ENDED
    tasks = {item: _step(item, grouped.get(item, ()), stopped, ended) for item in names}
    plan = tasks.pop(PLAN_TEMPLATE, None)
    gate = _step(GATE_TEMPLATE, after, stopped, ended) if status else None
    here = _run_steps(grouped.get(PLAN_TEMPLATE, ()))
    template = str((spec.get("workflowTemplateRef") or {}).get("name", ""))
    recipe = (metadata.get("labels") or {}).get(LABEL_RECIPE) or template.removeprefix(PREFIX)
    return WorkflowView(
        name=name,
        namespace=str(metadata.get("namespace", "")),
        recipe=recipe,
        profile=_argument("profile", spec, status.get("storedWorkflowTemplateSpec") or {}),
        phase=str(status.get("phase") or ""),
        message=" ".join(str(status.get("message") or "").split()),
        started=_time(status.get("startedAt")),
        finished=_time(status.get("finishedAt")),
        steps=tuple(step for item, step in tasks.items() if not here or item in here),
        plan=replace(plan, makes_artifacts=False) if plan is not None else None,
        gate=replace(gate, makes_artifacts=False) if gate is not None else None,
        verdict=_verdict(after),
        stopped=stopped,
    )


def _nodes(name: str, status: Mapping[str, Any]) -> list[Node]:
    if status.get("offloadNodeStatusVersion") and not status.get("nodes"):
        raise DataError(
            f"workflow '{name}' keeps its nodes in Argo's database, not in the cluster",
            f"look at it with: argo get {name}",
        )
    packed = status.get("compressedNodes")
    if packed:
        nodes: dict[str, Node] = json.loads(gzip.decompress(base64.b64decode(packed)))
    else:
        nodes = status.get("nodes") or {}
    return list(nodes.values())


def _task_names(spec: Mapping[str, Any], status: Mapping[str, Any]) -> list[str]:
    """Name the tasks of the entrypoint's DAG, so that those are shown that have no node yet."""
    stored = status.get("storedWorkflowTemplateSpec") or spec
    entrypoint = spec.get("entrypoint") or stored.get("entrypoint")
    for template in stored.get("templates") or ():
        if template.get("name") == entrypoint:
            return [task["name"] for task in (template.get("dag") or {}).get("tasks") or ()]
    return []


def _by_task(workflow: str, nodes: Iterable[Node]) -> dict[str, list[Node]]:
    """Sort nodes by the task of the workflow's DAG that they belong to."""
    grouped: dict[str, list[Node]] = {}
    for node in nodes:
        name = str(node.get("name", ""))
        base = _BASE.match(name.removeprefix(f"{workflow}."))
        if name.startswith(f"{workflow}.") and base is not None:
            grouped.setdefault(base[0], []).append(node)
    return grouped


def _step(name: str, nodes: Sequence[Node], stopped: bool, ended: bool) -> StepView:
    if not nodes:
        return StepView(name, State.NOT_RUN if ended else State.WAITING)
    top = min(nodes, key=lambda node: (len(node["name"]), node["name"]))
    attempts = _attempts(nodes)
    state = _state(top, nodes, attempts, stopped, ended)
    began = state not in (State.CACHED, State.NOT_RUN)
    return StepView(
        name,
        state,
        _time(top.get("startedAt")) if began else None,
        _time(top.get("finishedAt")) if began else None,
        attempts,
        _own_message(top, nodes),
    )


def _state(
    top: Node, nodes: Sequence[Node], attempts: Sequence[Attempt], stopped: bool, ended: bool
) -> State:
    phase = str(top.get("phase") or "")
    if phase == "Skipped" or (phase == "Succeeded" and not attempts):
        return State.CACHED
    if phase == "Omitted":
        return State.NOT_RUN
    if phase == "Succeeded":
        return State.BUILT
    if phase in BAD or ended:  # a stop leaves Retry nodes as they are
        return State.CANCELLED if stopped and _was_cut(nodes, attempts) else State.FAILED
    running = any(item.phase == "Running" for item in attempts)
    return State.RUNNING if running else State.PENDING


def _was_cut(nodes: Sequence[Node], attempts: Sequence[Attempt]) -> bool:
    """Whether a step of a workflow that somebody stopped ended by that, and not by itself."""
    failed = [item for item in attempts if item.failed]
    by_signal = bool(failed) and all(item.exit_code in _SIGNALLED for item in failed)
    return not failed or by_signal or any(is_stop(str(n.get("message") or "")) for n in nodes)


def _attempts(nodes: Sequence[Node]) -> tuple[Attempt, ...]:
    """Give every pod with its rank and the number of its try."""
    retries = {str(node["name"]) for node in nodes if node.get("type") == "Retry"}
    found = []
    for node in nodes:
        if node.get("type") != "Pod":
            continue
        name = str(node["name"])
        tail = _ATTEMPT.search(name)
        number = int(tail[1]) + 1 if tail and name[: tail.start()] in retries else 1
        inputs = _values((node.get("inputs") or {}).get("parameters"))
        rank = inputs.get("rank", "0")
        exit_code = (node.get("outputs") or {}).get("exitCode")
        found.append(
            Attempt(
                node=str(node["id"]),
                rank=int(rank) if rank.isdecimal() else 0,
                number=number,
                phase=str(node.get("phase") or ""),
                message=str(node.get("message") or ""),
                exit_code=int(exit_code) if exit_code is not None else None,
                progress=_progress(str(node.get("progress") or "")),
            )
        )
    return tuple(sorted(found, key=lambda item: (item.rank, item.number)))


def _own_message(top: Node, nodes: Sequence[Node]) -> str:
    """Give what Argo says of a step whose pods say nothing."""
    waiting = [node for node in nodes if node.get("phase") in ("Pending", "Running")]
    told = (str(node.get("message") or "") for node in (*waiting, top))
    return next((message for message in told if message), "")


def _progress(text: str) -> tuple[int, int] | None:
    """Read `N/M`; what Argo itself says of any pod (0/1, 1/1) tells nothing."""
    done, _, total = text.partition("/")
    if not (done.isdecimal() and total.isdecimal()) or int(total) <= 1:
        return None
    return int(done), int(total)


def _verdict(nodes: Iterable[Node]) -> dict[str, Any] | None:
    """Give what the gate's pod said: `run`, `state`, `reason` and, where it judged, `gate`."""
    told = _output(nodes, VERDICT_OUTPUT)
    verdict = told.get("gate") if isinstance(told, dict) else None
    return verdict if isinstance(verdict, dict) else None


def _run_steps(nodes: Iterable[Node]) -> list[str]:
    """Name the steps that this run has, as its plan says; nothing if it does not say.

    The DAG has all of the recipe's, also those that exist only under a condition.
    """
    told = _output(nodes, STEPS_OUTPUT)
    return [str(item) for item in told] if isinstance(told, list) else []


def _output(nodes: Iterable[Node], name: str) -> Any:
    """Give an output parameter that is JSON, from whichever of a task's nodes has it."""
    for node in nodes:
        text = _values((node.get("outputs") or {}).get("parameters")).get(name, "")
        with suppress(ValueError):
            return json.loads(text)
    return None


def _argument(name: str, *specs: Mapping[str, Any]) -> str:
    for spec in specs:
        found = _values((spec.get("arguments") or {}).get("parameters")).get(name)
        if found:
            return found
    return ""


def _values(parameters: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    return {str(item["name"]): str(item.get("value") or "") for item in parameters or ()}


def _time(text: Any) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None
