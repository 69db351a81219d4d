"""What all pods of a run have in common: security, environment, volumes, retries, labels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hera.workflows import (
    ConfigMapEnv,
    EmptyDirVolume,
    Env,
    RetryStrategy,
)
from hera.workflows import models as m

from graftline_workflows.argo import names

if TYPE_CHECKING:
    from collections.abc import Mapping

_USER = 65532

# Argo's word for a pod that vanished, or whose own containers failed, is Error. What else was not
# the step's doing: 75 is "try again"; 130 and 143 are a polite stop, 137 a hard one, which is what
# a drained or preempted node's pods end with; without an exit code the kubelet threw the pod out
# before its process ended; 255 without a reason is what a node tells of its containers when it has
# come back. Not so a process that took too much memory, and a time-out: both would
# end the same way again. (A workflow that somebody stops is never tried again, whatever this says.)
_NOT_THE_STEPS_DOING = (
    "lastRetry.status == 'Error'"
    " || lastRetry.exitCode == '75'"
    " || (lastRetry.exitCode == '255' && lastRetry.message contains 'Unknown')"
    " || (lastRetry.exitCode in ['-1', '130', '137', '143']"
    " && !(lastRetry.message contains 'OOMKilled')"
    " && !(lastRetry.message contains 'deadline')"
    " && !(lastRetry.message contains 'timeout'))"
)


def retried() -> RetryStrategy:
    """Try again what exit code 75 or a lost pod ended, after 5 s, 10 s, … up to 80 s."""
    return RetryStrategy(
        limit="5",
        retry_policy="Always",
        expression=_NOT_THE_STEPS_DOING,
        backoff=m.Backoff(duration="5s", factor=m.IntOrString(root="2"), cap="5m"),
    )


def retried_if_lost() -> RetryStrategy:
    """Try again a pod that vanished, and keep what any other said as the node's own message.

    With an expression Argo would put its own words in that message's place.
    """
    return RetryStrategy(
        limit="3",
        retry_policy="OnError",
        backoff=m.Backoff(duration="5s", factor=m.IntOrString(root="2"), cap="1m"),
    )


def pod_security() -> m.PodSecurityContext:
    """Say who a pod runs as."""
    return m.PodSecurityContext(
        run_as_non_root=True,
        run_as_user=_USER,
        run_as_group=_USER,
        fs_group=_USER,
        seccomp_profile=m.SeccompProfile(type="RuntimeDefault"),
    )


def container_security() -> m.SecurityContext:
    """Say what a container may do: nothing but compute."""
    return m.SecurityContext(
        allow_privilege_escalation=False,
        capabilities=m.Capabilities(drop=["ALL"]),
        read_only_root_filesystem=True,
    )


def argos_own_containers() -> str:
    """Patch `init` and `wait`, which Argo adds to every pod, so that they may run restricted."""
    security = container_security().model_dump(exclude_none=True, by_alias=True)
    patch = {
        "initContainers": [{"name": "init", "securityContext": security}],
        "containers": [{"name": "wait", "securityContext": security}],
    }
    return json.dumps(patch, sort_keys=True)


def executor() -> m.ExecutorConfig:
    """Name the account of Argo's own containers."""
    return m.ExecutorConfig(service_account_name=names.EXECUTOR_ACCOUNT)


def scratch() -> EmptyDirVolume:
    """Give the only folder that a pod may write to."""
    return EmptyDirVolume(name="tmp", mount_path="/tmp")  # noqa: S108 - a volume of the pod's own


def labels(role: str, **more: str) -> dict[str, str]:
    """Give a pod's labels; `more` by the names of `names.LABEL_…`."""
    return {names.LABEL_PART_OF: names.PART_OF, names.LABEL_ROLE: role, **more}


def setting(variable: str, key: str) -> ConfigMapEnv:
    """Give an environment variable that comes from the installation's settings."""
    return ConfigMapEnv(name=variable, config_map_name=names.SETTINGS, config_map_key=key)


def store_environment() -> list[Env | ConfigMapEnv]:
    """Give what every pod needs to find the store; its credentials come by the pod patch."""
    return [
        setting("GRAFTLINE_STORE", names.STORE),
        setting("AWS_ENDPOINT_URL_S3", names.STORE_ENDPOINT),
        setting("AWS_REGION", names.STORE_REGION),
        Env(name="HOME", value="/tmp"),  # noqa: S108 - a volume of the pod's own
    ]


def reference(*path: str) -> str:
    """Spell a reference to an Argo variable."""
    return "{{" + ".".join(path) + "}}"


def given(name: str) -> str:
    """Refer to one of the workflow's parameters."""
    return reference("workflow", "parameters", name)


def metadata(annotations: Mapping[str, str]) -> dict[str, str]:
    """Drop what is empty."""
    return {name: value for name, value in annotations.items() if value}


def as_values(manifest: Any) -> dict[str, Any]:
    """Give a Hera object as plain values, nothing in it empty by default."""
    values: dict[str, Any] = manifest.to_dict()
    return values
