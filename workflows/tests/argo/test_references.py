"""Every `{{…}}` in every rendered template refers to something that is declared and supplied."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from graftline_toys import RECIPE, toy_catalog
from graftline_workflows.argo import names
from graftline_workflows.argo.rendering import render
from graftline_workflows.catalog import Catalog, load_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REFERENCE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
PATH = re.compile(r"(?:inputs|workflow|tasks)(?:\.[\w-]+|\['[\w-]+'\])+")
ALWAYS = {"workflow.name", "workflow.namespace", "workflow.parameters.json"}
SETTINGS = {
    *(names.STORE, names.STORE_ENDPOINT, names.STORE_REGION, names.EVENTS, names.OWN_IMAGES),
    *(names.GPUS_AT_ONCE, names.QUEUE, names.RANKS, names.TIMEOUT_CPU, names.TIMEOUT_GPU),
}
"""The keys that the chart promises, besides those for images and pod patches."""


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def references(value: Any) -> set[str]:
    """Every variable named in a value, also inside `{{=…}}`, as dotted paths."""
    found = set()
    for text in texts(value):
        for inner in REFERENCE.findall(text):
            if inner.startswith("="):
                paths = PATH.findall(inner)
                assert paths, f"an expression without a variable: {inner}"
                found |= {re.sub(r"\['([\w-]+)'\]", r".\1", path) for path in paths}
            else:
                found.add(inner.strip())
    return found


def declared(parameters: Any) -> dict[str, Any]:
    listed = (parameters or {}).get("parameters") or []
    assert len({item["name"] for item in listed}) == len(listed)
    return {item["name"]: item for item in listed}


def problems(manifests: dict[str, Any]) -> list[str]:
    """Say what does not fit in a set of WorkflowTemplates."""
    by_name = {item["metadata"]["name"]: item["spec"] for item in manifests.values()}
    found = []
    for name, spec in by_name.items():
        arguments = declared(spec.get("arguments"))
        for parameter in arguments.values():
            if "value" not in parameter and "valueFrom" not in parameter:
                found.append(f"{name}: parameter {parameter['name']} has no value")
        local = {item["name"]: item for item in spec["templates"]}
        for template in spec["templates"]:
            found += [
                f"{name}.{template['name']}: {said}"
                for said in template_problems(template, local, arguments, by_name, spec)
            ]
        outside = {key: value for key, value in spec.items() if key != "templates"}
        found += [f"{name}: {item} outside a template" for item in references(outside)]
        for wanted in (spec.get("entrypoint"), spec.get("onExit")):
            if wanted and wanted not in local:
                found.append(f"{name}: no template {wanted}")
    return found


def template_problems(
    template: Any, local: Any, arguments: Any, by_name: Any, spec: Any
) -> Iterator[str]:
    inputs = declared(template.get("inputs"))
    is_exit = template["name"] == spec.get("onExit")
    body = {key: value for key, value in template.items() if key != "dag"}
    allowed = {f"inputs.parameters.{item}" for item in inputs}
    allowed |= {f"workflow.parameters.{item}" for item in arguments} | ALWAYS
    if "retryStrategy" in template:
        allowed.add("retries")
    if is_exit:
        allowed.add("workflow.failures")
    used = references(body)
    yield from (f"{item} is not declared" for item in sorted(used - allowed))
    unused = {f"inputs.parameters.{item}" for item in inputs} - used
    yield from (f"{item} is never used" for item in sorted(unused))
    tasks = {item["name"]: item for item in template.get("dag", {}).get("tasks", [])}
    for task in tasks.values():
        yield from (
            f"{task['name']}: {said}"
            for said in task_problems(task, tasks, local, arguments, by_name)
        )


def task_problems(task: Any, tasks: Any, local: Any, arguments: Any, by_name: Any) -> Iterator[str]:
    upstream, waiting = set(), [task["name"]]
    while waiting:
        words = tasks[waiting.pop()].get("depends", "").split(" && ")
        fresh = {word for word in words if word} - upstream
        upstream |= fresh
        waiting += fresh
        yield from (f"depends on {word}, which is no task" for word in fresh - set(tasks))
    allowed = {f"workflow.parameters.{item}" for item in arguments} | ALWAYS
    if "withParam" in task:
        allowed.add("item")
    for item in upstream:
        outputs = declared(target_of(tasks[item], local, by_name).get("outputs"))
        allowed |= {f"tasks.{item}.outputs.parameters.{name}" for name in outputs}
        without = [name for name, spec in outputs.items() if "default" not in spec["valueFrom"]]
        yield from (f"output {name} of {item} has no default" for name in without)
    yield from (f"{item} is not declared" for item in sorted(references(task) - allowed))
    wanted = declared(target_of(task, local, by_name).get("inputs"))
    given = declared(task.get("arguments"))
    yield from (f"gives {name}, which is not wanted" for name in set(given) - set(wanted))
    for name, parameter in wanted.items():
        if name not in given and "default" not in parameter and "value" not in parameter:
            yield f"does not give {name}"


def target_of(task: Any, local: Any, by_name: Any) -> Any:
    if "template" in task:
        return local[task["template"]]
    wanted = task["templateRef"]
    templates = {item["name"]: item for item in by_name[wanted["name"]]["templates"]}
    return templates[wanted["template"]]


def loaded(files: dict[str, str]) -> dict[str, Any]:
    found = {name: yaml.safe_load(text) for name, text in files.items()}
    return {name: item for name, item in found.items() if item["kind"] == "WorkflowTemplate"}


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return render(load_catalog())


def test_nothing_refers_to_what_is_not_there(files: dict[str, str]):
    assert problems(loaded(files)) == []


def test_nor_does_a_recipe_with_ranks(tmp_path: Path):
    stages = {name: entry.descriptor for name, entry in toy_catalog().stages.items()}
    stages["pick"].ranks = True
    path = tmp_path / "toy.yaml"
    path.write_text(RECIPE)
    assert problems(loaded(render(Catalog(stages), [str(path)]))) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("{{workflow.parameters.queue}}", "{{workflow.parameters.quue}}", "quue is not declared"),
        ("name: pod-patch\n", "name: pod-patsh\n", "does not give pod-patch"),
        ("outputs.parameters.build-curate}}", "outputs.parameters.build-x}}", "build-x is not"),
        ("depends: plan && generate", "depends: generate", "build-curate is not declared"),
        ("--run={{workflow.name}}", "--run={{inputs.parameters.run}}", "run is not declared"),
    ],
)
def test_the_check_finds_what_is_broken(files: dict[str, str], before: str, after: str, said: str):
    name = "recipes/json-extraction.yaml"
    assert before in files[name]
    broken = files | {name: files[name].replace(before, after)}
    if said.startswith("build-curate"):
        broken[name] = broken[name].replace("depends: plan\n", "depends: ''\n")
    assert any(said in item for item in problems(loaded(broken))), said


def test_every_setting_is_one_that_the_chart_promises(files: dict[str, str]):
    def keys(value: Any) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            if "configMapKeyRef" in value:
                yield value["configMapKeyRef"]["name"], value["configMapKeyRef"]["key"]
            for inner in value.values():
                yield from keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    stages = [*load_catalog().stages, names.PLANNER]
    promised = SETTINGS | {names.image(item) for item in stages}
    promised |= {names.pod_patch(item) for item in stages}
    found = {pair for template in loaded(files).values() for pair in keys(template)}
    assert found
    assert {name for name, _ in found} == {names.SETTINGS}
    assert {key for _, key in found} <= promised
