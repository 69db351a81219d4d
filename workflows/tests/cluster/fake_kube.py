"""A small API server: just the endpoints that `submit` and `watch` use, over real HTTP.

What it answers (objects, `Status` bodies, watch events, chunks) has the form that a Kubernetes 1.34
with Argo Workflows 4.0 gives.
"""

from __future__ import annotations

import copy
import json
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Object = dict[str, Any]
_ARGO = re.compile(
    r"/apis/argoproj\.io/v1alpha1/namespaces/(?P<ns>[^/]+)/(?P<kind>\w+)(?:/(?P<name>.+))?"
)
_CORE = re.compile(r"/api/v1/namespaces/(?P<ns>[^/]+)(?:/(?P<kind>\w+)(?:/(?P<name>.+))?)?")
_KINDS = {"workflows": "Workflow", "workflowtemplates": "WorkflowTemplate"}


class Refuse(Exception):
    """An answer that is a `Status`."""

    def __init__(self, code: int, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.body = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "details": details or {},
            "code": code,
        }


class FakeKube:
    """Holds objects, and remembers what it was asked."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.namespaces = {"ml", "default"}
        self.forbidden: set[tuple[str, str]] = set()
        self.has_argo = True
        self.unauthorized = False
        self.broken = 0  # so many of the next requests are answered by 503
        self.refuse_create = ""
        self.asked: list[tuple[str, str]] = []
        self.on_create: Callable[[Object], None] = lambda workflow: None
        self.changed = threading.Condition()
        self.version = 100
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        with self.changed:
            self.objects.clear()
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def kubeconfig(self, path: Path, namespace: str = "ml") -> Path:
        context = {"cluster": "test", "user": "dev", "namespace": namespace}
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "contexts": [
                        {"name": "test", "context": context},
                        {"name": "production", "context": context},
                    ],
                    "clusters": [{"name": "test", "cluster": {"server": self.url}}],
                    "users": [{"name": "dev", "user": {"token": "t"}}],
                }
            )
        )
        return path

    def put(self, kind: str, item: Object, namespace: str = "ml") -> Object:
        """Create or replace an object, and wake who watches."""
        with self.changed:
            self.version += 1
            item = copy.deepcopy(item)
            item["metadata"]["resourceVersion"] = str(self.version)
            item["metadata"].setdefault("namespace", namespace)
            self.objects[kind, namespace, item["metadata"]["name"]] = item
            self.changed.notify_all()
        return item

    def remove(self, kind: str, name: str, namespace: str = "ml") -> None:
        with self.changed:
            self.version += 1
            self.objects.pop((kind, namespace, name), None)
            self.changed.notify_all()

    def play(self, states: list[Object], pause_s: float = 0.15) -> None:
        """Let a workflow go through states, in the background, once somebody looks at one."""
        before = len(self.asked)

        def run() -> None:
            until = time.monotonic() + 10
            while time.monotonic() < until and not any(
                "/workflows/" in path for _, path in self.asked[before:]
            ):
                time.sleep(0.01)
            for state in states:
                time.sleep(pause_s)
                self.put("workflows", state)

        threading.Thread(target=run, daemon=True).start()

    def created(self) -> Object:
        """Give the one workflow that there is."""
        found = [item for (kind, _, _), item in self.objects.items() if kind == "workflows"]
        assert len(found) == 1
        return found[0]

    def listed(self, kind: str, namespace: str) -> list[Object]:
        return [item for (k, ns, _), item in self.objects.items() if (k, ns) == (kind, namespace)]

    def _handler(fake) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the inner class has a self
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer("get")

            def do_POST(self) -> None:
                self._answer("create")

            def _answer(self, verb: str) -> None:
                url = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(url.query).items()}
                fake.asked.append((self.command, self.path))
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                try:
                    self._route(verb, url.path, query, body)
                except Refuse as refusal:
                    self._json(refusal.code, refusal.body)

            def _route(self, verb: str, path: str, query: dict[str, str], body: Any) -> None:
                if fake.broken:
                    fake.broken -= 1
                    raise Refuse(503, "the server is currently unable to handle the request")
                if fake.unauthorized:
                    raise Refuse(401, "Unauthorized")
                match = _ARGO.fullmatch(path) or _CORE.fullmatch(path)
                if match is None or (path.startswith("/apis/argoproj") and not fake.has_argo):
                    return self._text(404, "404 page not found\n")
                namespace, kind, name = match["ns"], match["kind"] or "namespaces", match["name"]
                watching = query.get("watch") in ("true", "True", "1")
                if verb == "get" and not name and match["kind"]:
                    verb = "watch" if watching else "list"
                self._allow(verb, kind, namespace)
                if kind == "namespaces":
                    if namespace not in fake.namespaces:
                        raise _not_found("namespaces", namespace)
                    return self._json(200, {"kind": "Namespace", "metadata": {"name": namespace}})
                if verb == "create":
                    return self._json(201, self._create(kind, namespace, body))
                if name:
                    found = fake.objects.get((kind, namespace, name))
                    if found is None:
                        raise _not_found(kind, name)
                    return self._json(200, found)
                if watching:
                    return self._watch(kind, namespace, query)
                items = _selected(fake.listed(kind, namespace), query)
                meta = {"resourceVersion": str(fake.version)}
                kinds = f"{_KINDS.get(kind, kind.title())}List"
                return self._json(200, {"kind": kinds, "metadata": meta, "items": items})

            def _allow(self, verb: str, kind: str, namespace: str) -> None:
                if (verb, kind) not in fake.forbidden:
                    return
                group = "argoproj.io" if kind in _KINDS else ""
                resource = f"{kind}.{group}" if group else kind
                raise Refuse(
                    403,
                    f'{resource} is forbidden: User "system:serviceaccount:ci:runner" cannot {verb}'
                    f' resource "{kind}" in API group "{group}" in the namespace "{namespace}"',
                    {"group": group, "kind": kind},
                )

            def _create(self, kind: str, namespace: str, body: Object) -> Object:
                if fake.refuse_create:
                    raise Refuse(403, fake.refuse_create)
                if namespace not in fake.namespaces:
                    raise _not_found("namespaces", namespace)
                metadata = body["metadata"]
                metadata["name"] = f"{metadata.pop('generateName')}x7k2p"
                metadata["creationTimestamp"] = "2025-11-21T12:00:00Z"
                item = fake.put(kind, body, namespace)
                fake.on_create(item)
                return item

            def _watch(self, kind: str, namespace: str, query: dict[str, str]) -> None:
                name = query["fieldSelector"].removeprefix("metadata.name=")
                key, seen = (kind, namespace, name), int(query.get("resourceVersion") or 0)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                until = time.monotonic() + min(float(query.get("timeoutSeconds", 30)), 1.0)
                there = True
                while there and time.monotonic() < until:
                    with fake.changed:
                        item = fake.objects.get(key)
                        version = int(item["metadata"]["resourceVersion"]) if item else 0
                        if item is not None and version <= seen:
                            fake.changed.wait(0.2)
                            continue
                        there = item is not None
                        seen = version
                        event = {
                            "type": "MODIFIED" if there else "DELETED",
                            "object": item or {"kind": "Workflow", "metadata": {"name": name}},
                        }
                        data = json.dumps(event).encode() + b"\n"
                    self._chunk(data)
                self._chunk(b"")

            def _chunk(self, data: bytes) -> None:
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                self.wfile.flush()

            def _json(self, code: int, body: Object) -> None:
                self._send(code, "application/json", json.dumps(body).encode())

            def _text(self, code: int, body: str) -> None:
                self._send(code, "text/plain; charset=utf-8", body.encode())

            def _send(self, code: int, kind: str, data: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

            def handle(self) -> None:
                try:
                    super().handle()
                except (BrokenPipeError, ConnectionResetError):
                    return

        return Handler


def _not_found(kind: str, name: str) -> Refuse:
    resource = f"{kind}.argoproj.io" if kind in _KINDS else kind
    return Refuse(404, f'{resource} "{name}" not found', {"name": name, "kind": kind})


def _selected(items: list[Object], query: dict[str, str]) -> list[Object]:
    for pair in filter(None, query.get("labelSelector", "").split(",")):
        key, _, value = pair.partition("=")
        items = [i for i in items if (i["metadata"].get("labels") or {}).get(key) == value]
    for pair in filter(None, query.get("fieldSelector", "").split(",")):
        path, _, value = pair.partition("=")
        items = [item for item in items if str(_at(item, path)) == value]
    return items


def _at(item: Any, path: str) -> Any:
    for part in path.split("."):
        item = (item or {}).get(part)
    return item
