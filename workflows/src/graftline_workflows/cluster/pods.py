"""Why a pod does not start, from the pod itself and its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline_workflows.cluster.causes import (
    Trouble,
    scheduling_trouble,
    waiting_trouble,
)
from graftline_workflows.cluster.names import NODE_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def node_of(pod: Mapping[str, Any]) -> str:
    """Give the id of the workflow's node that a pod is for."""
    annotations = pod["metadata"].get("annotations") or {}
    return str(annotations.get(NODE_ANNOTATION, ""))


def pod_trouble(pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]] = ()) -> Trouble | None:
    """Say why a pod does not get on; nothing if it does.

    Args:
        pod: The pod.
        events: Its warning events, the newest first; asked only where the pod itself is silent.
    """
    status = pod.get("status") or {}
    if status.get("phase") != "Pending":
        return None  # how it ends, the workflow's node tells
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return scheduling_trouble(condition.get("reason", ""), condition.get("message", ""))
    for container in _containers(status):
        state = container.get("state") or {}
        waiting = state.get("waiting") or {}
        found = waiting_trouble(waiting.get("reason", ""), waiting.get("message", ""))
        if found is not None:
            return found
    for event in events:
        return waiting_trouble(event.get("reason", ""), event.get("message", ""))
    return None


def _containers(status: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()
