"""What Argo says of a pod that failed or waits, in words that help, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from graftline.errors import (
    EXIT_BUG,
    EXIT_CONFIG,
    EXIT_DATA,
    EXIT_GATE,
    EXIT_TRANSIENT,
)

_CONTAINER = re.compile(r"^(?:[\w-]+: )?(\w+) \(exit code (\d+)\)(?:: (.*))?$", re.DOTALL)
_OWN_CODES = (EXIT_GATE, EXIT_CONFIG, EXIT_DATA, EXIT_BUG, EXIT_TRANSIENT)
_LACKING = re.compile(r"Insufficient ([\w./-]+)")
_MISSING = re.compile(r'(secret|configmap) "([^"]+)" not found')
_KILLED = 137
_REFUSED = " is forbidden: "

_MORE_MEMORY = (
    "give the stage more memory (its pod-patch: resources.limits.memory), or let it hold less at"
    " once (batch size, sequence length)"
)
_LOST = re.compile(
    r"pod deleted|node (?:was )?lost|NodeLost|DeletionByTaintManager|TerminationByKubelet"
    r"|node shutdown|Preempt|Terminated in response to",
    re.IGNORECASE,
)
_EVICTED = re.compile(r"evict|low on resource|exceeds? (?:its |the )?.*ephemeral", re.IGNORECASE)
_OVERDUE = re.compile(r"deadline|timed? ?out", re.IGNORECASE)
_STOPPED = re.compile(r"shutdown with strategy|workflow shutdown|terminated|stopped", re.IGNORECASE)


@dataclass(frozen=True)
class Cause:
    """Why a pod failed.

    Args:
        text: One line.
        exit_code: What it stands for among Graftline's exit codes.
        hint: What to do; empty if the text says it.
        overdue: Whether its time was over; what it waited for says more then.
    """

    text: str
    exit_code: int
    hint: str = ""
    overdue: bool = False


def failure_cause(message: str, exit_code: int | None) -> Cause:
    """Say why a pod failed, from its node's message and its main container's exit code."""
    line = _one_line(message)
    match = _CONTAINER.match(message.strip())
    reason, said = "", line
    if match is not None:
        reason, said = match[1], _one_line(match[3] or "")
        exit_code = int(match[2]) if exit_code is None else exit_code
    if reason == "OOMKilled" or "OOMKilled" in line or (exit_code == _KILLED and not said):
        return Cause("killed: it used more memory than its limit", EXIT_TRANSIENT, _MORE_MEMORY)
    if exit_code in _OWN_CODES:
        return Cause(said or f"ended with exit code {exit_code}", exit_code or EXIT_BUG)
    if _REFUSED in line:
        hint = "the namespace's quota or Pod Security refuses the pod: change it, or the pod-patch"
        return Cause(line, EXIT_CONFIG, hint)
    if _EVICTED.search(line):
        hint = "give it requests that cover what it uses (memory, ephemeral-storage)"
        return Cause(f"evicted: {line}", EXIT_TRANSIENT, hint)
    if _LOST.search(line):
        text = "its pod was lost (deleted, or its node is gone)"
        return Cause(text, EXIT_TRANSIENT, "submit again: what was committed stays")
    if _OVERDUE.search(line):
        text = f"its time is over ({line})"
        return Cause(text, EXIT_TRANSIENT, "timeout-cpu and timeout-gpu set it", overdue=True)
    if exit_code:
        return Cause(said or f"ended with exit code {exit_code}", EXIT_BUG)
    return Cause(line or "failed without a word", EXIT_BUG)


def is_stop(message: str) -> bool:
    """Whether a node ended because somebody stopped the workflow."""
    return bool(_STOPPED.search(message)) and "exit code" not in message


@dataclass(frozen=True)
class Trouble:
    """Why a step does not get on.

    Args:
        text: One line: what, and what the cluster says of it.
        hint: What to do; empty if nobody need do anything.
        fatal: Whether waiting alone will not help.
    """

    text: str
    hint: str = ""
    fatal: bool = False


_WAITING_HINTS = {
    "ImagePullBackOff": "check the reference and, for a private registry, imagePullSecrets",
    "ErrImagePull": "check the reference and, for a private registry, imagePullSecrets",
    "ErrImageNeverPull": "load the image onto the node, or let it be pulled (imagePullPolicy)",
    "InvalidImageName": "correct the image's reference",
    "CreateContainerConfigError": "a Secret or ConfigMap that the pod needs is missing",
    "CreateContainerError": "look at the pod: kubectl describe pod",
    "RunContainerError": "look at the pod: kubectl describe pod",
    "CrashLoopBackOff": "look at the container's log",
    "FailedMount": "a volume, Secret or ConfigMap of the pod is missing",
    "FailedCreatePodSandBox": "the node cannot start pods: look at its network and runtime",
}
_QUIET = ("ContainerCreating", "PodInitializing")
_BACKOFF = "Backoff for"  # said also where no other attempt will be made


def waiting_trouble(reason: str, message: str) -> Trouble | None:
    """Say why a container waits; nothing for what every container goes through."""
    if not reason or reason in _QUIET:
        return None
    said = _one_line(message)
    missing = _MISSING.search(said)
    hint = _WAITING_HINTS.get(reason, "")
    if missing is not None:
        hint = f"create the {missing[1]} '{missing[2]}', or correct the chart's values"
    return Trouble(f"{reason}: {said}" if said else reason, hint, fatal=bool(hint))


def scheduling_trouble(reason: str, message: str) -> Trouble:
    """Say why no node takes a pod, in the scheduler's words."""
    said = _one_line(message)
    if reason == "SchedulingGated":
        return Trouble(f"held back: {said or 'its queue has not admitted it yet'}")
    lacking = [name.rstrip(".") for name in _LACKING.findall(said)]
    devices = [name for name in lacking if "/" in name]
    hint = ""
    if devices:
        hint = (
            f"no node has enough {devices[0]} free, or none has it at all: it waits until one has"
        )
    elif lacking:
        hint = (
            f"the nodes have too little {', '.join(dict.fromkeys(lacking))} left for its requests"
        )
    elif "taint" in said or "affinity" in said or "selector" in said:
        hint = "the pool's selector and tolerations (the chart's values) fit no node"
    elif "persistentvolumeclaim" in said:
        hint = "a volume claim of the pod cannot be bound"
    return Trouble(f"no node takes its pod: {said}" if said else "no node takes its pod", hint)


def message_trouble(message: str) -> Trouble | None:
    """Say why a step waits, from Argo's message alone: `Reason: what the cluster says`."""
    line = _one_line(message)
    if not line or line in _QUIET or line.startswith(_BACKOFF):
        return None
    if line.startswith("Waiting for") and "lock" in line:
        return Trouble(f"waits for its turn: {line}", "others hold all of gpus-at-once")
    reason, separator, said = line.partition(": ")
    if reason == "Unschedulable":
        return scheduling_trouble(reason, said)
    if separator and reason in _WAITING_HINTS:
        return waiting_trouble(reason, said)
    return Trouble(line)


def _one_line(text: str) -> str:
    return " ".join(text.split())
