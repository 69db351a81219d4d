"""Fixtures of the store's tests: a real SeaweedFS, and a fake that misbehaves on request."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from graftline.ports import kind_value
from graftline.store import Manifests, Store, describe_folder
from graftline.v1 import manifest_pb2


def pytest_configure(config):
    config.addinivalue_line("markers", "fault: kills processes or damages data on purpose")
    config.addinivalue_line("markers", "slow: takes more than ten seconds")


@dataclass
class FakeS3:
    """Answers each request by the next status of a script (method → statuses), then 200."""

    port: int = 0
    script: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)

    def open(self):
        return Store.open(
            "s3://bucket/prefix",
            {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret",
            },
        )


@pytest.fixture
def fake_s3():
    fake = FakeS3()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            fake.requests.append(f"{self.command} {self.path}")
            planned = fake.script.get(self.command, [])
            status, code = planned.pop(0) if planned else (200, "")
            data = b""
            if status == 200 and self.command == "PUT":
                fake.objects[self.path] = body
            elif status == 200 and self.command == "GET":
                data = fake.objects.get(self.path, b"")
            elif status != 200:
                text = f"<Error><Code>{code}</Code><Message>as planned</Message></Error>"
                data = text.encode()
            self.send_response(status)
            self.send_header("ETag", '"00"')
            self.send_header("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Step:
    """A step's outputs on disk, ready to be committed."""

    key: str
    folder: object
    manifest: manifest_pb2.Manifest

    @property
    def artifact(self):
        return self.manifest.outputs[0].artifact


@pytest.fixture
def make_step(tmp_path):
    """Make a step of some files; give it to `publish` to store it."""

    def make(key="a" * 64, files=None, inputs=(), step="curate"):
        folder = tmp_path / f"{key[:8]}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for name, data in (files or {"rows.jsonl": b"{}\n", "deep/er.bin": b"\0" * 100}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        artifact = describe_folder(folder, kind_value("examples"), rows=1)
        manifest = manifest_pb2.Manifest(contract_version="1", key=key, step=step, stage=step)
        manifest.outputs.add(port="examples", artifact=artifact)
        for producer in inputs:
            output = producer.outputs[0]
            manifest.inputs.add(
                port="in",
                key=producer.key,
                output=output.port,
                artifact_digest=output.artifact.digest,
            )
        manifest.finished_at.GetCurrentTime()
        return Step(key, folder, manifest)

    return make


@pytest.fixture
def publish(store):
    """Upload and commit a step."""

    def do(step, replaces=None):
        manifests = Manifests(store)
        manifests.upload(step.key, step.artifact, step.folder)
        return manifests.commit(step.manifest, replaces)

    return do


@contextmanager
def _quick(seconds):
    import time

    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


@pytest.fixture
def within():
    """Assert that a block ends in time."""
    return _quick
