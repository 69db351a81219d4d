"""The settings ConfigMap: all keys for all stages, and what the values make of them."""

import json
from pathlib import Path

import pytest
import yaml

CATALOG = Path(__file__).parents[2] / "workflows/src/graftline_workflows/catalog"
STAGES = sorted(path.stem for path in CATALOG.glob("*.json"))
KEYS = {
    *("store", "store-endpoint", "store-region", "events", "own-images", "queue", "ranks"),
    *("timeout-cpu", "timeout-gpu", "gpus-at-once", "image-planner", "pod-patch-planner"),
    *(f"image-{stage}" for stage in STAGES),
    *(f"pod-patch-{stage}" for stage in STAGES),
}


def test_every_key_is_there_and_is_text(installation):
    assert set(installation.settings) == KEYS
    assert all(isinstance(value, str) for value in installation.settings.values())
    labels = installation.of_kind("ConfigMap")["graftline-settings"]["metadata"]["labels"]
    assert labels["workflows.argoproj.io/configmap-type"] == "Parameter"


def test_every_pod_patch_patches_main_only(installation):
    for stage in [*STAGES, "planner"]:
        patch = installation.pod_patch(stage)
        assert [container["name"] for container in patch["containers"]] == ["main"]
        assert set(patch["containers"][0]["resources"]) <= {"requests", "limits"}
        assert patch["enableServiceLinks"] is False


def test_own_images_are_those_that_no_value_replaces(installation):
    own = json.loads(installation.settings["own-images"])
    replaced = set()
    for name in [*STAGES, "planner"]:
        if own.get(name) != installation.settings[f"image-{name}"]:
            replaced.add(name)
    assert replaced in (set(), {"curate"})
    assert replaced.isdisjoint(own)
    assert {*STAGES, "planner", "index", "llm", "store"} == {*own, *replaced}


def test_defaults(render):
    settings = render().settings
    assert settings["store"] == "s3://graftline"
    assert settings["store-endpoint"] == "http://graftline-store:8333"
    assert settings["events"] == "graftline-index:50051"
    assert settings["image-train"] == "localhost/graftline-train:0.1.0"
    assert settings["gpus-at-once"] == "1"


@pytest.mark.parametrize("stage", [*STAGES, "planner"])
def test_only_train_and_evaluate_ask_for_a_gpu(render, stage):
    patch = render().pod_patch(stage)
    limits = patch["containers"][0]["resources"]["limits"]
    on_gpu = stage in ("train", "evaluate")
    assert limits.get("nvidia.com/gpu") == (1 if on_gpu else None)
    assert ("tolerations" in patch) == on_gpu
    assert patch["containers"][0]["envFrom"] == [{"secretRef": {"name": "graftline-store"}}]


def test_a_stage_differs_from_its_pool_where_it_says_so(render):
    rendered = render(
        {
            "runs": {"env": [{"name": "A", "value": "all"}, {"name": "B", "value": "all"}]},
            "pools": {
                "cpu": {
                    "nodeSelector": {"pool": "cpu"},
                    "tolerations": [{"key": "t", "operator": "Exists"}],
                    "priorityClassName": "low",
                    "podSpec": {"schedulerName": "s", "dnsPolicy": "Default"},
                }
            },
            "stages": {
                "curate": {
                    "resources": {"requests": {"memory": "6Gi"}, "limits": {"cpu": 4}},
                    "nodeSelector": {"many": "cores"},
                    "tolerations": [],
                    "priorityClassName": "high",
                    "pullPolicy": "Always",
                    "env": [{"name": "B", "value": "own"}],
                    "envFrom": [{"secretRef": {"name": "more"}}],
                    "podSpec": {"dnsPolicy": "None"},
                }
            },
        }
    )
    assert rendered.pod_patch("curate") == {
        "containers": [
            {
                "name": "main",
                "imagePullPolicy": "Always",
                "resources": {
                    "requests": {"cpu": "500m", "memory": "6Gi"},
                    "limits": {"cpu": 4, "memory": "8Gi"},
                },
                "env": [{"name": "A", "value": "all"}, {"name": "B", "value": "own"}],
                "envFrom": [
                    {"secretRef": {"name": "graftline-store"}},
                    {"secretRef": {"name": "more"}},
                ],
            }
        ],
        "enableServiceLinks": False,
        "nodeSelector": {"many": "cores"},
        "priorityClassName": "high",
        "schedulerName": "s",
        "dnsPolicy": "None",
    }
    other = rendered.pod_patch("format")
    assert other["nodeSelector"] == {"pool": "cpu"}
    assert other["tolerations"] == [{"key": "t", "operator": "Exists"}]
    assert other["priorityClassName"] == "low"
    assert other["dnsPolicy"] == "Default"
    assert [entry["value"] for entry in other["containers"][0]["env"]] == ["all", "all"]


def test_gpus_by_pool_and_by_stage(render):
    rendered = render(
        {
            "pools": {"gpu": {"resourceName": "amd.com/gpu", "count": 8}},
            "stages": {"evaluate": {"gpus": 1}, "train": {"resources": {"limits": {"cpu": "9"}}}},
        }
    )
    limits = {
        stage: rendered.pod_patch(stage)["containers"][0]["resources"]["limits"]
        for stage in ("train", "evaluate")
    }
    assert limits["train"] == {"amd.com/gpu": 8, "memory": "24Gi", "cpu": "9"}
    assert limits["evaluate"] == {"amd.com/gpu": 1, "memory": "24Gi"}


def test_images_by_registry_tag_digest_and_replacement(render):
    digest = f"sha256:{'ab' * 32}"
    rendered = render(
        {
            "images": {"registry": "r.example/x/", "tag": "2", "digests": {"train": digest}},
            "stages": {"curate": {"image": "r.example/mine@" + digest}},
            "planner": {"image": "r.example/planner:3"},
        }
    )
    own = json.loads(rendered.settings["own-images"])
    assert rendered.settings["image-train"] == f"r.example/x/graftline-train@{digest}"
    assert rendered.settings["image-format"] == own["format"] == "r.example/x/graftline-format:2"
    assert rendered.settings["image-curate"] == f"r.example/mine@{digest}"
    assert rendered.settings["image-planner"] == "r.example/planner:3"
    assert {"curate", "planner"}.isdisjoint(own)


def test_external_store(render, external):
    rendered = render(external)
    assert rendered.settings["store"] == "s3://artifacts/team/one"
    assert rendered.settings["store-endpoint"] == ""
    assert rendered.settings["store-region"] == "eu-central-1"
    main = rendered.pod_patch("train")["containers"][0]
    assert main["envFrom"] == [{"secretRef": {"name": "bucket"}}]
    assert "StatefulSet" not in {document["kind"] for document in rendered.documents}
    assert "graftline-store" not in rendered.of_kind("Service")
    assert "graftline-store" not in rendered.of_kind("Secret")


def test_stages_that_ask_are_told_where_a_language_model_is(render):
    own = [{"url": "http://vllm.models:8000/v1", "models": ["m"]}]
    for values, wanted in (
        ({}, None),
        ({"embedded": {"enabled": True, "slots": 2}}, "http://graftline-llm:8080/v1"),
        ({"endpoints": own, "stages": ["judge"]}, "http://vllm.models:8000/v1"),
    ):
        rendered = render({"llm": values})
        for stage in STAGES:
            environment = rendered.pod_patch(stage)["containers"][0].get("env", [])
            told = {item["name"]: item["value"] for item in environment}
            if wanted is None or stage not in values.get("stages", ["generate", "judge"]):
                assert told == {}
                continue
            [endpoint] = json.loads(told["GRAFTLINE_LLM_ENDPOINTS"])
            assert endpoint["url"] == wanted
        served = rendered.of_kind("Service").get("graftline-llm")
        assert (served is not None) == ("embedded" in values)


def test_no_index_no_events(render):
    rendered = render({"index": {"enabled": False}})
    assert rendered.settings["events"] == ""
    assert rendered.of_kind("Deployment") == {}


def repository(rendered):
    data = rendered.of_kind("ConfigMap")["graftline-artifacts"]["data"]
    return yaml.safe_load(data["repository"])["s3"]


def test_artifacts_of_argo_lie_in_the_store(render, external):
    assert repository(render()) == {
        "bucket": "graftline",
        "endpoint": "graftline-store.lora-team.svc:8333",
        "insecure": True,
        "region": "us-east-1",
        "keyFormat": "argo/{{workflow.name}}/{{pod.name}}",
        "accessKeySecret": {"name": "graftline-store", "key": "AWS_ACCESS_KEY_ID"},
        "secretKeySecret": {"name": "graftline-store", "key": "AWS_SECRET_ACCESS_KEY"},
    }
    assert repository(render(external)) == {
        "bucket": "artifacts",
        "endpoint": "s3.amazonaws.com",
        "insecure": False,
        "region": "eu-central-1",
        "keyFormat": "team/one/argo/{{workflow.name}}/{{pod.name}}",
        "accessKeySecret": {"name": "bucket", "key": "AWS_ACCESS_KEY_ID"},
        "secretKeySecret": {"name": "bucket", "key": "AWS_SECRET_ACCESS_KEY"},
    }


def test_workload_identity_has_no_secret(render):
    rendered = render(
        {
            "store": {
                "embedded": {"enabled": False},
                "external": {"uri": "s3://bkt/", "endpoint": "http://192.0.2.1:9000/"},
            },
            "serviceAccounts": {"stage": {"annotations": {"role": "r"}}},
        }
    )
    assert "envFrom" not in rendered.pod_patch("train")["containers"][0]
    assert rendered.settings["store"] == "s3://bkt"
    assert rendered.settings["store-endpoint"] == "http://192.0.2.1:9000"
    found = repository(rendered)
    assert found["useSDKCreds"] is True
    assert (found["endpoint"], found["insecure"]) == ("192.0.2.1:9000", True)
    account = rendered.of_kind("ServiceAccount")["graftline-stage"]
    assert account["metadata"]["annotations"] == {"role": "r"}
