"""The rendered workflows go into the chart as they are."""

from pathlib import Path

import yaml

CHART = Path(__file__).parents[1] / "graftline"

STAGE = """\
# braces of Argo's, and what Helm would choke on: {{ no such function }}
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: graftline-stage-sample}
spec:
  arguments:
    parameters: [{name: message, value: "{{=sprig.trim(' x ')}} {{workflow.name}} ${HOME}"}]
"""
RECIPE = """\
---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: graftline-sample}
spec: {entrypoint: main, podSpecPatch: '{{inputs.parameters.pod-patch}}'}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: graftline-recipe-sample}
data:
  sample.yaml: |
    steps: {a: "{{ .Values.store }}"}
"""


def test_braces_are_untouched(render, chart_with):
    files = {"stages/sample.yaml": STAGE, "recipes/sample.yaml": RECIPE}
    rendered = render(chart=chart_with(files))
    for text in files.values():
        for document in yaml.safe_load_all(text):
            assert document in rendered.documents
    assert "{{=sprig.trim(' x ')}} {{workflow.name}} ${HOME}" in rendered.text
    assert "{{ .Values.store }}" in rendered.text


def test_every_file_of_the_chart_is_rendered(render):
    files = sorted(CHART.glob("files/*/*.yaml"))
    assert {path.parent.name for path in files} == {"stages", "recipes", "recipe-files"}
    rendered = render()
    for path in files:
        for document in yaml.safe_load_all(path.read_text()):
            assert document in rendered.documents, path.name


def test_without_files_the_rest_is_rendered(render, chart_with):
    assert "graftline-settings" in render(chart=chart_with({})).of_kind("ConfigMap")


def references(value):
    """The (kind, name, key) of everything that a document takes from its namespace."""
    if isinstance(value, dict):
        for key, found in value.items():
            if key == "configMapKeyRef":
                yield "ConfigMap", found["name"], found["key"]
            elif key == "configMap" and "name" in found:
                yield "ConfigMap", found["name"], ""
            elif key == "artifactRepositoryRef":
                yield "ConfigMap", found["configMap"], found["key"]
            elif key == "serviceAccountName":
                yield "ServiceAccount", found, ""
            elif key == "templateRef":
                yield "WorkflowTemplate", found["name"], ""
            yield from references(found)
    elif isinstance(value, list):
        for found in value:
            yield from references(found)


def test_all_that_the_workflows_name_is_in_the_chart(installation):
    named = {
        reference
        for template in installation.of_kind("WorkflowTemplate").values()
        for reference in references(template)
    }
    assert {kind for kind, _, _ in named} == {"ConfigMap", "ServiceAccount", "WorkflowTemplate"}
    missing = {
        (kind, name, key)
        for kind, name, key in named
        if name not in installation.of_kind(kind)
        or (key and key not in installation.of_kind(kind)[name]["data"])
    }
    assert missing == set()


def test_pods_of_workflows_have_no_token_and_are_restricted(installation):
    checked = 0
    for name, workflow in installation.of_kind("WorkflowTemplate").items():
        spec = workflow["spec"]
        for template in spec["templates"]:
            if "container" not in template:
                continue
            checked += 1
            where = f"{name}/{template['name']}"
            token = "automountServiceAccountToken"
            assert template.get(token, spec.get(token)) is False, where
            pod = template.get("securityContext", spec.get("securityContext"))
            assert pod["runAsNonRoot"] is True, where
            assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, where
            own = template["container"]["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, where
            assert own["readOnlyRootFilesystem"] is True, where
            assert own["capabilities"] == {"drop": ["ALL"]}, where
            executor = template.get("executor", spec.get("executor"))
            assert executor["serviceAccountName"] == "graftline-executor", where
            labels = template["metadata"]["labels"]
            assert labels["app.kubernetes.io/part-of"] == "graftline", where
            assert labels["graftline.dev/role"] in ("stage", "planner"), where
    assert checked > 10
