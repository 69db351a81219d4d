"""Workflows and pods as Argo Workflows 4.0 and Kubernetes write them, made short to write."""

from __future__ import annotations

import json
import zlib
from typing import Any

Object = dict[str, Any]
NAME = "graftline-json-extraction-x7k2p"
STEPS = ("model", "generate", "ingest", "curate", "format", "adapter", "baseline", "adapted")
STEPS += ("export", "report")
VERDICT = {
    "passed": True,
    "checks": [
        {
            "metric": "entity_f1",
            "split": "eval",
            "rule": "at_least",
            "value": 0.81,
            "required": 0.7,
            "passed": True,
            "message": "0.81 ≥ 0.7",
        }
    ],
}


def bare_template(name: str, **annotations: str) -> Object:
    """A WorkflowTemplate of which only name and annotations matter."""
    found = {f"graftline.dev/{key.replace('_', '-')}": text for key, text in annotations.items()}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {"name": name, "namespace": "ml", "annotations": found},
        "spec": {"entrypoint": "main", "arguments": {"parameters": []}, "templates": []},
    }


def main_template(steps: tuple[str, ...] = STEPS) -> Object:
    tasks = [{"name": name, "template": "x"} for name in ("plan", *steps)]
    return {"name": "main", "dag": {"tasks": tasks}}


def workflow(
    phase: str = "Running",
    *tasks: list[Object],
    message: str = "",
    name: str = NAME,
    shutdown: str = "",
    profile: str = "tiny",
    steps: tuple[str, ...] = STEPS,
) -> Object:
    """A Workflow with the nodes of some tasks."""
    nodes = [item for task in tasks for item in task]
    status: Object = {
        "phase": phase,
        "startedAt": "2025-11-21T12:00:00Z",
        "finishedAt": "2025-11-21T12:03:24Z" if phase in ("Succeeded", "Failed", "Error") else None,
        "progress": "1/3",
        "storedTemplates": {},
        "storedWorkflowTemplateSpec": {
            "entrypoint": "main",
            "onExit": "gate",
            "arguments": {"parameters": [{"name": "profile", "value": profile}]},
            "templates": [main_template(steps)],
        },
        "nodes": {item["id"]: item for item in [_root(phase, name), *nodes]},
    }
    if message:
        status["message"] = message
    spec: Object = {
        "workflowTemplateRef": {"name": "graftline-json-extraction"},
        "arguments": {"parameters": []},
    }
    if shutdown:
        spec["shutdown"] = shutdown
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "name": name,
            "namespace": "ml",
            "creationTimestamp": "2025-11-21T12:00:00Z",
            "labels": {"workflows.argoproj.io/phase": phase},
        },
        "spec": spec,
        "status": status,
    }


def _root(phase: str, name: str) -> Object:
    return {
        "id": name,
        "name": name,
        "displayName": name,
        "type": "DAG",
        "templateName": "main",
        "templateScope": f"local/{name}",
        "phase": phase,
        "startedAt": "2025-11-21T12:00:00Z",
        "finishedAt": None,
        "progress": "1/3",
    }


def node(
    path: str,
    kind: str,
    phase: str,
    *,
    message: str = "",
    exit_code: int | None = None,
    progress: str = "0/1",
    inputs: dict[str, str] | None = None,
    outputs: dict[str, str] | None = None,
    children: tuple[str, ...] = (),
    started: str = "2025-11-21T12:00:10Z",
    finished: str | None = "2025-11-21T12:00:34Z",
    workflow_name: str = NAME,
) -> Object:
    """One node; `path` is its name below the workflow's."""
    ended = phase in ("Succeeded", "Failed", "Error", "Skipped", "Omitted")
    found: Object = {
        "id": node_id(path, workflow_name),
        "name": f"{workflow_name}.{path}",
        "displayName": path,
        "type": kind,
        "boundaryID": workflow_name,
        "phase": phase,
        "startedAt": started,
        "finishedAt": finished if ended else None,
        "progress": progress,
    }
    if message:
        found["message"] = message
    if inputs:
        found["inputs"] = {"parameters": _parameters(inputs)}
    if outputs or exit_code is not None:
        found["outputs"] = {"parameters": _parameters(outputs or {})}
        if exit_code is not None:
            found["outputs"]["exitCode"] = str(exit_code)
    if children:
        found["children"] = [node_id(child, workflow_name) for child in children]
    return found


def node_id(path: str, workflow_name: str = NAME) -> str:
    return f"{workflow_name}-{zlib.crc32(path.encode())}"


def _parameters(values: dict[str, str]) -> list[Object]:
    return [{"name": key, "value": value} for key, value in values.items()]


def skipped(step: str) -> list[Object]:
    message = "when 'false == true' evaluated false"
    return [node(step, "Skipped", "Skipped", message=message, finished="2025-11-21T12:00:10Z")]


def omitted(step: str) -> list[Object]:
    return [node(step, "Skipped", "Omitted", message="omitted: depends condition not met")]


def step(
    name: str, phase: str, *attempts: tuple[str, str, int | None], **options: Any
) -> list[Object]:
    """A step of one rank: a Retry node and a Pod for each (phase, message, exit code)."""
    attempts = attempts or ((phase, "", 0 if phase == "Succeeded" else None),)
    paths = tuple(f"{name}({number})" for number in range(len(attempts)))
    last = attempts[-1][1]
    pods = [
        node(
            path,
            "Pod",
            attempt,
            message=message,
            exit_code=code,
            inputs={"step": name, "rank": "0", "run": NAME},
            **(options if path == paths[-1] else {}),
        )
        for path, (attempt, message, code) in zip(paths, attempts, strict=True)
    ]
    failed = phase in ("Failed", "Error")
    top = node(
        name, "Retry", phase, message=last if failed else "", children=paths, **_times(options)
    )
    return [top, *pods]


def _times(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key in ("started", "finished")}


def fan(name: str, phase: str, *ranks: tuple[str, str]) -> list[Object]:
    """A step of several ranks: a TaskGroup, a Retry each, a Pod each with (phase, progress)."""
    children = tuple(f"{name}({number}:{number})" for number in range(len(ranks)))
    found = [node(name, "TaskGroup", phase, children=children)]
    for number, (state, progress) in enumerate(ranks):
        path = f"{name}({number}:{number})"
        inputs = {"step": name, "rank": str(number)}
        found.append(node(path, "Retry", state, children=(f"{path}(0)",), inputs=inputs))
        found.append(node(f"{path}(0)", "Pod", state, progress=progress, inputs=inputs))
    return found


def plan(phase: str = "Succeeded", **options: Any) -> list[Object]:
    return step("plan", phase, **options)


def gate(
    phase: str = "Succeeded", verdict: Object | None = None, message: str = "", code: int = 0
) -> list[Object]:
    """The exit handler: a Retry node and its pod, outside of the DAG."""
    told = {"run": NAME, "state": "succeeded", "reason": "", "gate": verdict or VERDICT}
    if verdict == {}:
        told["gate"] = None
    outputs = {"verdict": json.dumps(told)}
    nodes = step("onExit", phase, (phase, message, code), outputs=outputs)
    return [{**item, "templateName": "gate"} for item in nodes]


def pod(path: str, status: Object, name: str = "") -> Object:
    """The pod of a node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name or f"{NAME}-run-{zlib.crc32(path.encode())}",
            "labels": {"workflows.argoproj.io/workflow": NAME},
            "annotations": {"workflows.argoproj.io/node-id": node_id(path)},
        },
        "status": status,
    }


NO_GPU = "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint"
NO_GPU += " {nvidia.com/gpu: present}. no new claims to deallocate, preemption: 0/2 nodes are"
NO_GPU += " available: 1 No preemption victims found for incoming pod."


def unschedulable(message: str = NO_GPU) -> Object:
    return {
        "phase": "Pending",
        "conditions": [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": message,
                "lastTransitionTime": "2025-11-21T12:00:11Z",
            }
        ],
        "qosClass": "Burstable",
    }


def waiting(reason: str, message: str = "", container: str = "main") -> Object:
    return {
        "phase": "Pending",
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "ContainersReady", "status": "False", "reason": "ContainersNotReady"},
        ],
        "initContainerStatuses": [
            {"name": "init", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
        ],
        "containerStatuses": [
            {"name": container, "state": {"waiting": {"reason": reason, "message": message}}},
            {"name": "wait", "state": {"waiting": {"reason": "PodInitializing"}}},
        ],
    }
