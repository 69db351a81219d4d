from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from graftline.v1 import plan_pb2, stage_pb2
from graftline_workflows import catalog
from graftline_workflows.release import read_release

if TYPE_CHECKING:
    from pods_fixture import Pods

ALL = ["adapted", "baseline", "both", "left", "page", "right"]


def test_a_plan_leaves_a_record_and_requests_and_tells_what_to_build(pods: Pods):
    ended = pods.plan("run-1")
    assert ended.code == 0, ended.err
    assert ended.to_build == ALL
    assert ended.outputs["ranks-left"] == "[0]"
    record = pods.record("run-1")
    assert (record.engine, record.host, record.recipe) == ("argo", "ml", "trial")
    assert record.state == plan_pb2.RUN_STATE_RUNNING
    request = pods.records.load_request("run-1", "both")
    assert (request.run, request.image, request.store) == ("run-1", "", pods.store.uri)
    assert request.identity == read_release(pods.folder / "release.json").builds["trial"]
    assert "6 to build, 0 cached" in ended.out


def test_its_keys_are_those_of_a_laptop(pods: Pods):
    pods.plan("run-1", overrides="left.word=hello 'right.word=two words'")
    ours = {item.step: item.key for item in pods.record("run-1").steps}
    called = pods.trials.call(
        *("plan", str(pods.recipe), "--json"),
        *("--set", "left.word=hello", "--set", "right.word=two words"),
    )
    assert ours == {item["step"]: item["key"] for item in called.json["steps"]}


def test_what_is_there_is_not_built_and_has_no_request(pods: Pods):
    pods.plan("run-1")
    pods.build("run-1", "left", "right", "both")
    ended = pods.plan("run-2")
    assert ended.to_build == ["adapted", "baseline", "page"]
    assert ended.outputs["build-left"] == "false"
    assert ended.outputs["ranks-left"] == "[]"
    assert pods.store.head("runs/run-2/requests/left.binpb") is None
    changed = pods.plan("run-3", overrides="left.word=other")
    assert changed.to_build == ["adapted", "baseline", "both", "left", "page"]
    assert "left.word left → other" in changed.out


def test_a_local_run_finds_what_pods_built(pods: Pods):
    pods.plan("run-1")
    pods.build("run-1", "left", "right", "both")
    assert pods.trials.run("--until", "both", "--json").json["built"] == []


def test_another_image_counts_by_its_reference_and_a_tag_warns(pods: Pods):
    pods.plan("run-1")
    pods.build("run-1", "left", "right", "both", "baseline")
    ended = pods.plan("run-2", images={"verdict": "mine/verdict:2"})
    assert ended.to_build == ["adapted", "baseline", "page"]
    assert "named by a tag" in ended.err
    request = pods.records.load_request("run-2", "baseline")
    assert (request.image, request.identity) == ("mine/verdict:2", "mine/verdict:2")
    assert pods.records.load_request("run-2", "page").image == ""


def test_parameters_of_the_recipe_and_the_profile_are_read(pods: Pods):
    assert pods.plan("run-1", profile="tiny", seconds="0.5").code == 0
    request = pods.records.load_request("run-1", "left")
    assert json.loads(request.runtime)["seconds"] == 0.5
    assert pods.record("run-1").profile == "tiny"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"secnds": "1"}, "-p secnds: recipe 'trial' has no such parameter — did you mean 'sec"),
        ({"image__tral": "x"}, "did you mean 'image-trial'?"),
        ({"profile": "tny"}, "did you mean 'tiny'?"),
        ({"overrides": "lft.word=x"}, "did you mean 'left'?"),
        ({"overrides": "left.word='x"}, "cannot be split into words"),
        ({"seconds": "soon"}, "must be a number"),
        ({"ranks": "0"}, "must be a whole number from 1 on"),
        ({"contract": "2"}, "the template is for contract 2"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_nearest(
    pods: Pods, given: dict[str, str], said: str
):
    ended = pods.plan("run-1", **given)
    assert ended.code == 64
    assert said in ended.err
    assert said in ended.message
    assert pods.records.load("run-1") is None


def test_all_wrong_parameters_are_told_at_once(pods: Pods):
    ended = pods.plan("run-1", secnds="1", mrks="x")
    assert "2 problems" in ended.err


SOURCES = """\
recipe: trial
parameters:
  data: {type: source, default: ""}
  schema: {type: json-schema-file, default: ""}
  beside: {type: json-file, default: ""}
steps:
  left: {uses: trial, with: {word: "${schema}"}}
"""


def test_local_files_are_refused_and_inline_json_is_not(pods: Pods):
    pods.recipe.write_text(SOURCES)
    ended = pods.plan("run-1", data="tickets.jsonl", schema="my.schema.json")
    assert ended.code == 64
    assert "2 problems" in ended.err
    assert ended.err.count("which pods cannot read") == 2
    ended = pods.plan("run-2", schema='{"type": "object"}')
    assert "which pods cannot read" not in ended.err
    (pods.recipe.parent / "beside.json").write_text('{"a": 1}')
    assert pods.plan("run-3", beside="beside.json").code == 0
    assert pods.plan("run-4", schema="{no json").code == 64


def test_a_template_of_another_version_is_refused(pods: Pods):
    steps = pods.steps()
    for other, said in (
        ([step for step in steps if step.name != "both"], "both: the template has no such step"),
        (
            [replace(s, reads=("left",)) if s.name == "both" else s for s in steps],
            "both: reads right, for which the template does not wait",
        ),
        (
            [replace(s, stage="page") if s.name == "both" else s for s in steps],
            "both: is a step of stage 'trial', in the template of 'page'",
        ),
    ):
        ended = pods.plan("run-1", steps=other)
        assert ended.code == 64
        assert said in ended.err
        assert "upgrade the chart, or render the recipe again" in ended.err


def test_a_step_in_ranks_has_so_many(pods: Pods):
    catalog.load_catalog().stages["trial"].descriptor.ranks = True
    ended = pods.plan("run-1", ranks="3")
    assert ended.outputs["ranks-left"] == "[0, 1, 2]"
    assert pods.records.load_request("run-1", "left").ranks == 3
    assert ended.outputs["ranks-page"] == "[0]"
    assert pods.plan("run-2", ranks="2").code == 0
    one, two = pods.record("run-1"), pods.record("run-2")
    assert [item.key for item in one.steps] == [item.key for item in two.steps]


ASKING = """\
recipe: trial
parameters: {llm: {type: json, default: {}}}
steps:
  asked: {uses: ask, with: {request: {model: m}}, runtime: {llm: "${llm}"}}
"""
TOLD = [{"name": "GRAFTLINE_LLM_ENDPOINTS", "value": "[{}]"}]


def patch(environment: list[dict[str, str]]) -> dict[str, str]:
    return {"ask": json.dumps({"containers": [{"name": "main", "env": environment}]})}


def test_without_a_language_model_no_pod_is_used(pods: Pods):
    pods.recipe.write_text(ASKING)
    for nowhere in (patch([]), patch([{**TOLD[0], "value": ""}]), {"ask": '{"containers": [{}]}'}):
        ended = pods.plan("run-1", patches=nowhere)
        assert ended.code == 64
        assert "asked: it asks a language model, and neither the run nor this inst" in ended.message
        assert "llm.embedded.enabled=true" in ended.message
        assert pods.records.load("run-1") is None
        assert pods.store.head("runs/run-1/requests/asked.binpb") is None


@pytest.mark.parametrize(
    ("patches", "given", "images"),
    [
        (patch(TOLD), {}, {}),
        (patch([{"name": "GRAFTLINE_LLM_ENDPOINTS", "valueFrom": "x"}]), {}, {}),
        ({}, {}, {}),
        ({"ask": "nodeSelector: {mine: yes}"}, {}, {}),
        (patch([]), {"llm": "{endpoints: [{url: 'http://h/v1'}]}"}, {}),
        (patch([]), {}, {"ask": "registry/mine@sha256:" + "0" * 64}),
    ],
)
def test_who_says_where_one_is_may_run(pods: Pods, patches: Any, given: Any, images: Any):
    pods.recipe.write_text(ASKING)
    ended = pods.plan("run-1", patches=patches, images=images, **given)
    assert (ended.code, ended.to_build) == (0, ["asked"]), ended.err


def test_what_is_cached_asks_nobody(pods: Pods):
    pods.recipe.write_text(ASKING)
    pods.plan("run-1", patches=patch(TOLD))
    pods.build("run-1", "asked")
    assert pods.plan("run-2", patches=patch([])).code == 0


def test_a_secret_of_the_parameters_is_not_repeated_or_kept(pods: Pods):
    pods.recipe.write_text(ASKING)
    for given in ("{endpoints: [{api_key_env: sk-hunter2}]}", "http://u:hunter2@h/v1"):
        ended = pods.plan("run-1", llm=given)
        assert ended.code == 64
        assert "hunter2" not in ended.out + ended.err + ended.message
        assert pods.records.load("run-1") is None


def test_planning_again_in_a_new_pod_changes_nothing(pods: Pods):
    first, again = pods.plan("run-1"), pods.plan("run-1")
    assert first.outputs == again.outputs
    assert [item.state for item in pods.record("run-1").steps] == [
        stage_pb2.STEP_STATE_WAITING
    ] * len(ALL)


def test_a_pod_that_is_told_too_little_says_so(pods: Pods):
    pods.monkeypatch.delenv("GRAFTLINE_RELEASE")
    ended = pods.plan("run-1")
    assert (ended.code, "GRAFTLINE_RELEASE is not set" in ended.err) == (64, True)
    pods.monkeypatch.setenv("GRAFTLINE_STORE", "s3://no-such-bucket/x")
    ended = pods.plan("run-1")
    assert ended.code in (64, 75)
    assert "no-such-bucket" in ended.err or "GRAFTLINE_RELEASE" in ended.err
