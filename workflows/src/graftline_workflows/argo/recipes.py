"""One WorkflowTemplate a recipe: plan, then what is not cached, and at the end the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hera.workflows import (
    DAG,
    Artifact,
    ConfigMapEnv,
    ConfigMapVolume,
    Container,
    Env,
    NoneArchiveStrategy,
    Parameter,
    Task,
    WorkflowTemplate,
)
from hera.workflows import models as m

from graftline import CONTRACT_VERSION
from graftline_workflows.argo import names, pods
from graftline_workflows.argo.arguments import Argument, recipe_arguments

if TYPE_CHECKING:
    from graftline_workflows.argo.graph import GraphStep, RecipeGraph

_DAY_S = 24 * 60 * 60
_LONGEST_RUN_S = 7 * _DAY_S
"""Ends a run that nobody looks after. Nothing else ends the wait for a node that never comes: for a
template that is tried again, Argo (4.0) does not count `timeout` while its pod cannot be placed."""

_KEEP_GOOD_RUNS_S = 1 * _DAY_S
_KEEP_BAD_RUNS_S = 7 * _DAY_S
_KEEP_PODS = "10m"
"""How long a good run's pods stay, for their logs; a bad run's stay as long as the run."""

_SECONDS = f"{{{{=int(duration(workflow.parameters['{names.TIMEOUT_CPU}']).Seconds())}}}}"
_VERDICT = f"{names.OUTPUTS_FOLDER}/verdict"
_REPORT = f"{names.OUTPUTS_FOLDER}/report.html"


def recipe_workflow_template(graph: RecipeGraph) -> WorkflowTemplate:
    """Render a recipe.

    The gate is the workflow's exit handler: that runs after the last step, also when every step is
    cached and when one has failed, and Argo makes an exit handler's message the workflow's own.
    """
    recipe = graph.recipe
    versions = {
        names.ANNOTATION_CONTRACT: CONTRACT_VERSION,
        names.ANNOTATION_RECIPE: graph.digest,
    }
    labels = {names.LABEL_PART_OF: names.PART_OF, names.LABEL_RECIPE: graph.name}
    return WorkflowTemplate(
        api_version="argoproj.io/v1alpha1",
        name=names.recipe_template(graph.name),
        labels=labels,
        annotations=pods.metadata(
            {
                names.ANNOTATION_TITLE: f"Graftline recipe: {graph.name}",
                names.ANNOTATION_DESCRIPTION: recipe.description,
                **versions,
            }
        ),
        workflow_metadata=m.WorkflowMetadata(labels=labels, annotations=versions),
        arguments=[_argument(item) for item in recipe_arguments(recipe, graph.stages)],
        entrypoint=names.MAIN_TEMPLATE,
        on_exit=names.GATE_TEMPLATE,
        service_account_name=names.STAGE_ACCOUNT,
        automount_service_account_token=False,
        executor=pods.executor(),
        security_context=pods.pod_security(),
        pod_metadata=m.Metadata(labels={names.LABEL_PART_OF: names.PART_OF}),
        pod_spec_patch=pods.argos_own_containers(),
        active_deadline_seconds=_LONGEST_RUN_S,
        archive_logs=False,
        artifact_repository_ref=m.ArtifactRepositoryRef(
            config_map=names.ARTIFACTS, key=names.ARTIFACTS_KEY
        ),
        ttl_strategy=m.TTLStrategy(
            seconds_after_success=_KEEP_GOOD_RUNS_S, seconds_after_failure=_KEEP_BAD_RUNS_S
        ),
        pod_gc=m.PodGC(strategy="OnWorkflowSuccess", delete_delay_duration=_KEEP_PODS),
        templates=[_main(graph), _plan(graph), _gate()],
    )


def _argument(item: Argument) -> Parameter:
    if not item.setting:
        return Parameter(name=item.name, description=item.help, value=item.value)
    key = m.ConfigMapKeySelector(name=names.SETTINGS, key=item.setting)
    source = m.ValueFrom(config_map_key_ref=key)
    return Parameter(name=item.name, description=item.help, value_from=source)


def _main(graph: RecipeGraph) -> DAG:
    plan = Task(name=names.PLAN_TEMPLATE, template=names.PLAN_TEMPLATE)
    return DAG(
        name=names.MAIN_TEMPLATE,
        tasks=[plan, *(_task(step) for step in graph.steps)],
    )


def _task(step: GraphStep) -> Task:
    """Make a step's task.

    A step that is cached, or that this run does not have, is skipped, which is as good as done to
    the steps that depend on it.
    """
    timeout = names.TIMEOUT_GPU if step.gpu else names.TIMEOUT_CPU
    arguments = {
        "image": pods.given(names.image(step.stage)),
        "run": pods.reference("workflow", "name"),
        "step": step.name,
        "pod-patch": pods.given(names.pod_patch(step.stage)),
        "timeout": pods.given(timeout),
        "queue": pods.given(names.QUEUE),
    }
    if step.ranks:
        arguments |= {"rank": pods.reference("item"), "ranks": pods.given(names.RANKS)}
    return Task(
        name=step.name,
        depends=" && ".join((names.PLAN_TEMPLATE, *step.reads)),
        when=f"{_planned(names.build_output(step.name))} == true",
        with_param=_planned(names.ranks_output(step.name)) if step.ranks else None,
        template_ref=m.TemplateRef(
            name=names.stage_template(step.stage), template=names.RUN_TEMPLATE
        ),
        arguments=[Parameter(name=name, value=value) for name, value in arguments.items()],
    )


def _planned(output: str) -> str:
    return pods.reference("tasks", names.PLAN_TEMPLATE, "outputs", "parameters", output)


def _plan(graph: RecipeGraph) -> Container:
    outputs = [_output(names.STEPS_OUTPUT, "[]")]
    for step in graph.steps:
        outputs.append(_output(names.build_output(step.name), "false"))
        if step.ranks:
            outputs.append(_output(names.ranks_output(step.name), "[]"))
    template = _planner(
        names.PLAN_TEMPLATE,
        args=[
            "plan",
            f"--recipe={names.RECIPE_FOLDER}/{graph.name}.yaml",
            f"--run={pods.reference('workflow', 'name')}",
            f"--namespace={pods.reference('workflow', 'namespace')}",
            f"--outputs={names.OUTPUTS_FOLDER}",
            f"--contract={CONTRACT_VERSION}",
            f"--ranks={pods.given(names.RANKS)}",
            *(f"--image={stage}={pods.given(names.image(stage))}" for stage in graph.stages),
            *(
                f"--patch={stage}={pods.given(names.pod_patch(stage))}"
                for stage in sorted({step.stage for step in graph.steps if step.asks})
            ),
            *(f"--step={step}" for step in graph.steps),
        ],
        env=[
            pods.setting("GRAFTLINE_OWN_IMAGES", names.OWN_IMAGES),
            Env(
                name="GRAFTLINE_PARAMETERS",
                value=pods.reference("workflow", "parameters", "json"),
            ),
        ],
        volumes=[
            ConfigMapVolume(
                name=names.recipe_config_map(graph.name),
                mount_path=names.RECIPE_FOLDER,
                read_only=True,
            )
        ],
    )
    template.outputs = outputs
    template.retry_strategy = pods.retried()
    return template


def _output(name: str, default: str) -> Parameter:
    path = f"{names.OUTPUTS_FOLDER}/{name}"
    return Parameter(name=name, value_from=m.ValueFrom(path=path, default=default))


def _gate() -> Container:
    template = _planner(
        names.GATE_TEMPLATE,
        args=[
            "gate",
            f"--run={pods.reference('workflow', 'name')}",
            f"--outputs={names.OUTPUTS_FOLDER}",
        ],
        env=[
            Env(name="GRAFTLINE_FAILURES", value=pods.reference("workflow", "failures")),
        ],
        volumes=[],
    )
    template.outputs = [
        Parameter(name="verdict", value_from=m.ValueFrom(path=_VERDICT, default="{}")),
        Artifact(name="report", path=_REPORT, archive=NoneArchiveStrategy(), optional=True),
    ]
    template.retry_strategy = pods.retried_if_lost()
    return template


def _planner(
    name: str,
    args: list[str],
    env: list[Env | ConfigMapEnv],
    volumes: list[ConfigMapVolume],
) -> Container:
    return Container(
        name=name,
        image=pods.given(names.image(names.PLANNER)),
        command=["graftline-planner"],
        args=args,
        env=[*pods.store_environment(), *env],
        security_context=pods.container_security(),
        volumes=[pods.scratch(), *volumes],
        labels=pods.labels(
            names.ROLE_PLANNER, **{names.LABEL_RUN: pods.reference("workflow", "name")}
        ),
        pod_spec_patch=pods.given(names.pod_patch(names.PLANNER)),
        timeout=pods.given(names.TIMEOUT_CPU),
        active_deadline_seconds=_SECONDS,
    )
