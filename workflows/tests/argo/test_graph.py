from __future__ import annotations

import pytest

from graftline.errors import ConfigError
from graftline_workflows.argo.arguments import recipe_arguments
from graftline_workflows.argo.graph import GraphStep, read_graph
from graftline_workflows.catalog import load_catalog


@pytest.mark.parametrize(
    "step", [GraphStep("curate", "curate", ("generate", "ingest")), GraphStep("a", "model", ())]
)
def test_a_step_is_read_as_it_is_spelt(step: GraphStep):
    assert GraphStep.parse(str(step)) == step


@pytest.mark.parametrize("text", ["", "a", "a:b", ":b:c", "a:b:c:d"])
def test_other_texts_are_refused(text: str):
    with pytest.raises(ConfigError, match="step:stage:read,read"):
        GraphStep.parse(text)


def test_a_recipes_arguments_are_its_own_and_the_installations():
    graph = read_graph("json-extraction", load_catalog())
    found = {item.name: item for item in recipe_arguments(graph.recipe, graph.stages)}
    assert list(found)[0] == "profile"
    assert found["profile"].value == "cpu"
    assert set(graph.recipe.parameters) <= set(found)
    assert all(item.help for item in found.values())
    assert {item.setting for item in found.values() if item.setting} == {
        *("ranks", "queue", "timeout-cpu", "timeout-gpu", "image-planner", "pod-patch-planner"),
        *(f"image-{stage}" for stage in graph.stages),
        *(f"pod-patch-{stage}" for stage in graph.stages),
    }
    assert all(item.setting in ("", item.name) for item in found.values())
