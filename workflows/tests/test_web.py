"""Sources from the web, against a web server of the tests' own."""

from __future__ import annotations

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from graftline.errors import ConfigError, DataError, TransientError
from graftline_workflows import web
from graftline_workflows.sources import fingerprint
from graftline_workflows.web import WebFiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = b"# Valves\n\nA valve opens at two bar.\n"


class Site:
    """Pages by path, each (status, headers, body); an ETag is answered with 304."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.statuses: list[int] = []
        self.accepted: list[str | None] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = site.pages[self.path.partition("?")[0]]
                if headers.get("ETag") and self.headers.get("If-None-Match") == headers["ETag"]:
                    status, body = 304, b""
                site.statuses.append(status)
                site.accepted.append(self.headers.get("Accept-Encoding"))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture
def files(tmp_path: Path) -> WebFiles:
    return WebFiles(tmp_path / "web")


def test_the_key_counts_the_content_and_not_the_address(site: Site, files: WebFiles, tmp_path):
    site.pages["/guide/valves.md"] = site.pages["/b/valves.md"] = (200, {}, PAGE)
    (tmp_path / "valves.md").write_bytes(PAGE)
    here = fingerprint(str(tmp_path / "valves.md")).fingerprint
    for place in ("/guide/valves.md", "/b/valves.md?version=2"):
        found = fingerprint(site.url + place, web=files)
        assert found.fingerprint == here
        # From here on it is a local file, for a step that verifies it.
        assert fingerprint(found.uri).fingerprint == here


def test_what_is_the_same_is_not_sent_again_and_what_changed_is(site: Site, files: WebFiles):
    site.pages["/a.md"] = (200, {"ETag": '"1"'}, PAGE)
    path = files.fetch(f"{site.url}/a.md")
    assert files.fetch(f"{site.url}/a.md") == path
    assert site.statuses == [200, 304]
    site.pages["/a.md"] = (200, {"ETag": '"2"'}, PAGE * 2)
    assert files.fetch(f"{site.url}/a.md").read_bytes() == PAGE * 2
    # A file that somebody cut off here is no reason to believe the server's 304.
    path.write_bytes(b"#")
    assert files.fetch(f"{site.url}/a.md").read_bytes() == PAGE * 2


def test_a_packed_file_stays_packed_and_a_packed_page_does_not(site: Site, files: WebFiles):
    """Some servers say of a .gz file that it is encoded, and send it so whatever was asked for."""
    packed = gzip.compress(PAGE)
    site.pages["/a.md.gz"] = site.pages["/a.md"] = (200, {"Content-Encoding": "gzip"}, packed)
    assert files.fetch(f"{site.url}/a.md.gz").read_bytes() == packed
    assert files.fetch(f"{site.url}/a.md").read_bytes() == PAGE
    assert site.accepted == ["identity", "identity"]


def test_notes_that_make_no_sense_are_no_notes(site: Site, files: WebFiles):
    site.pages["/a.md"] = (200, {"ETag": '"1"'}, PAGE)
    about = files.fetch(f"{site.url}/a.md").parent / "about.json"
    for text in ("", "[]", "{}", json.dumps({"name": 1, "size": 2})):
        about.write_text(text)
        assert files.fetch(f"{site.url}/a.md").read_bytes() == PAGE
    assert site.statuses == [200] * 5


@pytest.mark.parametrize(
    ("place", "kind", "name"),
    [
        ("/docs/", "text/html; charset=utf-8", "index.html"),
        ("/docs/api", "text/markdown", "api.md"),
        ("/a%20b/..%2Fx.pdf", "application/pdf", "x.pdf"),
        ("/data.tar.gz", "application/gzip", "data.tar.gz"),
        ("/what", "application/x-no-such-thing", "what"),
    ],
)
def test_a_name_has_the_suffix_that_readers_go_by(site: Site, files: WebFiles, place, kind, name):
    site.pages[place] = (200, {"Content-Type": kind}, PAGE)
    path = files.fetch(site.url + place)
    assert (path.name, path.parent.parent.name) == (name, "web")


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (404, DataError, "answers 404 Not Found"),
        (403, ConfigError, "answers 403"),
        (429, TransientError, "answers 429"),
        (503, TransientError, "answers 503"),
    ],
)
def test_a_refusal_is_told_and_nothing_is_kept(site, files, tmp_path, status, error, words):
    site.pages["/a.md"] = (status, {}, b"an error page")
    with pytest.raises(error, match=words):
        files.fetch(f"{site.url}/a.md")
    assert not (tmp_path / "web").exists()


def test_half_an_answer_is_none_and_the_old_file_stays(site: Site, files: WebFiles):
    site.pages["/a.md"] = (200, {}, PAGE)
    path = files.fetch(f"{site.url}/a.md")
    site.pages["/a.md"] = (200, {"Content-Length": "1000"}, PAGE[:9])
    with pytest.raises(TransientError, match="cannot be fetched"):
        files.fetch(f"{site.url}/a.md")
    assert path.read_bytes() == PAGE
    assert sorted(item.name for item in path.parent.iterdir()) == ["a.md", "about.json"]


def test_nothing_and_too_much(site: Site, files: WebFiles, monkeypatch: pytest.MonkeyPatch):
    site.pages["/empty.md"] = (200, {}, b"")
    with pytest.raises(DataError, match="is empty"):
        files.fetch(f"{site.url}/empty.md")
    site.pages["/large.md"] = (200, {}, PAGE)
    monkeypatch.setattr(web, "_MOST_BYTES", 10)
    with pytest.raises(DataError, match="has more than"):
        files.fetch(f"{site.url}/large.md")


@pytest.mark.parametrize(
    "uri",
    [
        "http://me:123-456@host/a.md",
        "HTTPS://host/a.md?X-Amz-Signature=123-456&v=1",
        "https://host/a.md?access_token=123-456",
    ],
)
def test_a_secret_is_not_taken_and_not_repeated(files: WebFiles, uri: str):
    with pytest.raises(ConfigError, match="://host/a.md': the address has a secret") as caught:
        fingerprint(uri, web=files)
    assert "123-456" not in str(caught.value)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9/a.md", "http://no-such-host.invalid/a.md"])
def test_a_server_that_is_not_there(files: WebFiles, uri: str):
    with pytest.raises(TransientError, match="cannot be fetched"):
        files.fetch(uri)


@pytest.mark.parametrize("uri", ["http://", "http:///x"])
def test_no_address(files: WebFiles, uri: str):
    with pytest.raises(ConfigError, match="is no address"):
        files.fetch(uri)


def test_an_address_that_cannot_be_taken_apart_is_not_repeated(files: WebFiles):
    with pytest.raises(ConfigError, match="none that can be read") as caught:
        files.fetch("https://me:123-456@[::1/a")
    assert "123-456" not in str(caught.value)


def test_the_cluster_reads_no_web(site: Site):
    with pytest.raises(ConfigError, match="graftline submit fetches it"):
        fingerprint(f"{site.url}/a.md")
