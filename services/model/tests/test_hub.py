"""The Hub, played by a small server of our own on loopback."""

import http.server
import json
import threading
from types import SimpleNamespace

import pytest

from graftline.errors import ConfigError, DataError, TransientError
from graftline.testkit.local import run_stage
from graftline_model.descriptor import STAGE
from graftline_model.hub import split_uri

COMMIT = "a" * 40


class Hub(http.server.BaseHTTPRequestHandler):
    files: dict[str, bytes] = {}
    repositories = {"org/tiny": ("", 200), "org/gated": ("GatedRepo", 403), "org/down": ("", 500)}

    def do_GET(self):
        parts = self.path.split("?")[0].strip("/").split("/")
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        code, status = self.repositories.get(name, ("RepoNotFound", 404))
        if status != 200:
            return self.answer(status, b"{}", {"X-Error-Code": code} if code else {})
        if parts[0] == "api":
            if len(parts) > 5 and parts[5] not in ("main", COMMIT):
                return self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            if "tree" in parts:
                tree = [
                    {"type": "file", "path": f, "size": len(d), "oid": "0"}
                    for f, d in sorted(self.files.items())
                ]
                return self.answer(200, json.dumps(tree).encode(), {})
            listed = [{"rfilename": f, "size": len(d)} for f, d in sorted(self.files.items())]
            body = {"id": name, "sha": COMMIT, "siblings": listed, "private": False, "tags": []}
            return self.answer(200, json.dumps(body).encode(), {})
        data = self.files[parts[4]]
        headers = {"ETag": f'"{len(data)}-{parts[4]}"', "X-Repo-Commit": COMMIT}
        return self.answer(200, data, headers)

    do_HEAD = do_GET

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(folder, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    handler = type("Handler", (Hub,), {"files": files})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}", files=files, server=server)
    server.shutdown()
    server.server_close()
    thread.join()


def run_hub(hub, work, uri, **config):
    return run_stage(STAGE, work, config={"uri": uri, **config}, runtime={"hub_endpoint": hub.url})


def test_a_branch_is_pinned_to_its_commit_and_then_needs_no_network(hub, tmp_path):
    hub.files["consolidated.safetensors"] = b"unwanted"
    run = run_hub(hub, tmp_path / "run", "hf://org/tiny")
    record = json.loads((run.outputs["model"] / "graftline-model.json").read_text())
    assert record == {"name": "org/tiny", "revision": COMMIT, "uri": f"hf://org/tiny@{COMMIT}"}
    assert run.result.base_model == f"org/tiny@{COMMIT}"
    assert not list((tmp_path / "hub-cache").rglob("consolidated*"))
    hub.files.clear()
    again = run_hub(hub, tmp_path / "again", f"hf://org/tiny@{COMMIT}")
    assert (again.outputs["model"] / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("uri", "error", "said"),
    [
        ("hf://org/absent", ConfigError, "not on the Hub"),
        ("hf://org/gated", ConfigError, "HF_TOKEN"),
        ("hf://org/tiny@v9", ConfigError, "no revision 'v9'"),
        ("hf://org/down", TransientError, "the Hub failed"),
        ("hf://a b", ConfigError, "not of the form hf://org/name@revision"),
    ],
)
def test_errors_say_what_to_do(hub, tmp_path, uri, error, said):
    with pytest.raises(error, match=said):
        run_hub(hub, tmp_path, uri)


def test_only_pickles_are_refused_before_a_byte_is_fetched(hub, tmp_path):
    hub.files["pytorch_model.bin"] = hub.files.pop("model.safetensors")
    with pytest.raises(DataError, match="only pickled weights"):
        run_hub(hub, tmp_path, "hf://org/tiny")
    assert not list((tmp_path / "hub-cache").rglob("*.bin"))


def test_unreachable_hub_is_transient(hub, tmp_path):
    hub.url = "http://127.0.0.1:9"
    with pytest.raises(TransientError, match="cannot be reached"):
        run_hub(hub, tmp_path, "hf://org/tiny")


def test_offline_says_so(hub, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="HF_HUB_OFFLINE"):
        run_hub(hub, tmp_path, "hf://org/tiny")


def test_revisions():
    assert split_uri("hf://org/name@v1", "") == ("org/name", "v1")
    assert split_uri("hf://org/name", "v2") == ("org/name", "v2")
    assert split_uri("hf://org/name", "") == ("org/name", "main")
    with pytest.raises(ConfigError, match="give one"):
        split_uri("hf://org/name@v1", "v2")
