"""The names on which rendered templates, chart, pods and command line agree.

There is one installation a namespace, so they are fixed.
"""

from __future__ import annotations

PART_OF = "graftline"

SETTINGS = "graftline-settings"
"""ConfigMap with what the installation decides; its keys are named below."""

ARTIFACTS = "graftline-artifacts"
ARTIFACTS_KEY = "repository"

STAGE_ACCOUNT = "graftline-stage"
"""ServiceAccount of every pod of a run: no token, no rights."""

EXECUTOR_ACCOUNT = "graftline-executor"
"""ServiceAccount of Argo's own containers: writes task results and nothing else."""

RECIPE_FOLDER = "/etc/graftline/recipe"
OUTPUTS_FOLDER = "/tmp/graftline"  # noqa: S108 - a volume of the pod's own

STORE = "store"
STORE_ENDPOINT = "store-endpoint"
STORE_REGION = "store-region"
EVENTS = "events"
OWN_IMAGES = "own-images"
GPUS_AT_ONCE = "gpus-at-once"
QUEUE = "queue"
RANKS = "ranks"
TIMEOUT_CPU = "timeout-cpu"
TIMEOUT_GPU = "timeout-gpu"

PROFILE = "profile"
OVERRIDES = "overrides"
PLANNER = "planner"

RUN_TEMPLATE = "run"
MAIN_TEMPLATE = "main"
PLAN_TEMPLATE = "plan"
GATE_TEMPLATE = "gate"

LABEL_PART_OF = "app.kubernetes.io/part-of"
LABEL_ROLE = "graftline.dev/role"
LABEL_STAGE = "graftline.dev/stage"
LABEL_STEP = "graftline.dev/step"
LABEL_RUN = "graftline.dev/run"
LABEL_RECIPE = "graftline.dev/recipe"
LABEL_QUEUE = "kueue.x-k8s.io/queue-name"
ROLE_STAGE = "stage"
ROLE_PLANNER = "planner"

ANNOTATION_CONTRACT = "graftline.dev/contract-version"
ANNOTATION_RECIPE = "graftline.dev/recipe-digest"
ANNOTATION_STAGE_VERSION = "graftline.dev/stage-version"
ANNOTATION_TITLE = "workflows.argoproj.io/title"
ANNOTATION_DESCRIPTION = "workflows.argoproj.io/description"


def stage_template(stage: str) -> str:
    """Name a stage's WorkflowTemplate."""
    return f"graftline-stage-{stage}"


def recipe_template(recipe: str) -> str:
    """Name a recipe's WorkflowTemplate."""
    return f"graftline-{recipe}"


def recipe_config_map(recipe: str) -> str:
    """Name the ConfigMap that holds a recipe's file and the files that it names."""
    return f"graftline-recipe-{recipe}"


def image(name: str) -> str:
    """Name the parameter, and setting, for the image of a stage or of the planner."""
    return f"image-{name}"


def pod_patch(name: str) -> str:
    """Name the parameter, and setting, for the pod patch of a stage or of the planner."""
    return f"pod-patch-{name}"


STEPS_OUTPUT = "steps"
"""The plan's output with the steps that the run has (a JSON list), cached or not."""


def build_output(step: str) -> str:
    """Name the plan's output that says whether a step is to be built."""
    return f"build-{step}"


def ranks_output(step: str) -> str:
    """Name the plan's output that lists a step's ranks."""
    return f"ranks-{step}"
