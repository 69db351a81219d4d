"""One WorkflowTemplate a stage: what a step of it is as a pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hera.workflows import Container, Env, Parameter, WorkflowTemplate
from hera.workflows import models as m

from graftline.v1 import stage_pb2
from graftline_workflows.argo import names, pods

if TYPE_CHECKING:
    from graftline.v1.stage_pb2 import StageDescriptor

_IMAGE, _RUN, _STEP, _RANK, _OF = "image", "run", "step", "rank", "ranks"
_PATCH, _TIMEOUT, _QUEUE = "pod-patch", "timeout", "queue"
INPUTS = (_IMAGE, _RUN, _STEP, _RANK, _OF, _PATCH, _TIMEOUT, _QUEUE)
"""What a task gives the template."""

_SECONDS = "{{=int(duration(inputs.parameters.timeout).Seconds())}}"
"""Argo's own time-out ends a pod that waits; this one a pod that runs, or pulls its image."""

_DEFAULTS = {_RANK: "0", _OF: "1"}


def stage_workflow_template(stage: StageDescriptor) -> WorkflowTemplate:
    """Render a stage.

    Its template says all that its pods need, since Argo takes nothing else from a WorkflowTemplate
    that is only referred to.
    """
    return WorkflowTemplate(
        api_version="argoproj.io/v1alpha1",
        name=names.stage_template(stage.name),
        labels={names.LABEL_PART_OF: names.PART_OF, names.LABEL_STAGE: stage.name},
        annotations=pods.metadata(
            {
                names.ANNOTATION_TITLE: f"Graftline stage: {stage.name}",
                names.ANNOTATION_DESCRIPTION: stage.summary,
                names.ANNOTATION_CONTRACT: stage.contract_version,
                names.ANNOTATION_STAGE_VERSION: stage.version,
            }
        ),
        templates=[_run(stage)],
    )


def _run(stage: StageDescriptor) -> Container:
    gpu = stage.resources == stage_pb2.RESOURCE_CLASS_GPU
    return Container(
        name=names.RUN_TEMPLATE,
        inputs=[
            Parameter(name=name, default=_DEFAULTS[name])
            if name in _DEFAULTS
            else Parameter(name=name)
            for name in INPUTS
        ],
        image=_given(_IMAGE),
        command=["graftline-stage"],
        args=[
            "run",
            f"--run={_given(_RUN)}",
            f"--step={_given(_STEP)}",
            f"--rank={_given(_RANK)}",
            f"--ranks={_given(_OF)}",
            "--attempt={{retries}}",
        ],
        env=[
            *pods.store_environment(),
            pods.setting("GRAFTLINE_EVENTS", names.EVENTS),
            Env(name="GRAFTLINE_IMAGE", value=_given(_IMAGE)),
        ],
        security_context=pods.container_security(),
        pod_security_context=pods.pod_security(),
        service_account_name=names.STAGE_ACCOUNT,
        automount_service_account_token=False,
        executor=pods.executor(),
        volumes=[pods.scratch()],
        labels=pods.labels(
            names.ROLE_STAGE,
            **{
                names.LABEL_STAGE: stage.name,
                names.LABEL_STEP: _given(_STEP),
                names.LABEL_RUN: _given(_RUN),
                names.LABEL_QUEUE: _given(_QUEUE),
            },
        ),
        pod_spec_patch=_given(_PATCH),
        timeout=_given(_TIMEOUT),
        active_deadline_seconds=_SECONDS,
        retry_strategy=pods.retried(),
        synchronization=_one_of_the_gpus() if gpu else None,
    )


def _one_of_the_gpus() -> m.Synchronization:
    """Let no more pods want a GPU at once than the installation allows."""
    key = m.ConfigMapKeySelector(name=names.SETTINGS, key=names.GPUS_AT_ONCE)
    return m.Synchronization(semaphores=[m.SemaphoreRef(config_map_key_ref=key)])


def _given(name: str) -> str:
    return pods.reference("inputs", "parameters", name)
