"""What Argo calls things in a namespace, and how Graftline's are told from others' there.

The names of Graftline's own objects stand in `graftline_workflows.argo.names`.
"""

from __future__ import annotations

PREFIX = "graftline-"
STAGE_PREFIX = "graftline-stage-"

WORKFLOW_LABEL = "workflows.argoproj.io/workflow"
TEMPLATE_LABEL = "workflows.argoproj.io/workflow-template"
NODE_ANNOTATION = "workflows.argoproj.io/node-id"

EXIT_HANDLER = "onExit"
"""The task, in Argo's words, that runs after all others."""

VERDICT_OUTPUT = "verdict"
