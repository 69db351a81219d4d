"""By docker or podman for real: `GRAFTLINE_TEST_IMAGE`, one of ours that serves `curate`."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from graftline.errors import ConfigError
from graftline_workflows.conformance.container_cli import ContainerCli
from graftline_workflows.conformance.verdict import judge_image

pytestmark = pytest.mark.e2e

IMAGE = os.environ.get("GRAFTLINE_TEST_IMAGE", "localhost/graftline-curate:dev")
STAGE = """#!/usr/bin/env python3
import json, os, pathlib, socket, sys
SCHEMA = {"type": "object", "properties": {"place": {"type": "string", "default": ""}}}
DESCRIPTOR = {
    "contractVersion": "1", "name": "page", "version": "1", "summary": "A page",
    "configSchema": json.dumps({**SCHEMA, "additionalProperties": False}),
    "outputs": [{"name": "report", "kinds": ["ARTIFACT_KIND_REPORT"]}],
}
if sys.argv[1] == "describe":
    print(json.dumps(DESCRIPTOR))
    sys.exit()
work = pathlib.Path(sys.argv[2])
config = json.loads(json.loads((work / "request.json").read_text())["config"])
try:
    BEHAVIOUR
except OSError as error:
    sys.exit(f"error: {error}")
(work / "outputs/report").mkdir(parents=True, exist_ok=True)
(work / "outputs/report/index.html").write_text("hello")
output = {"port": "report", "kind": "ARTIFACT_KIND_REPORT"}
(work / "result.json").write_text(json.dumps({"outputs": [output]}))
"""


@pytest.fixture(scope="session")
def cli():
    try:
        found = ContainerCli.find()
    except ConfigError as error:
        pytest.skip(str(error))
    here = subprocess.run([found.program, "image", "inspect", IMAGE], capture_output=True)
    if here.returncode:
        pytest.skip(f"{found.program} has no image {IMAGE}: make images, or GRAFTLINE_TEST_IMAGE")
    return found


@pytest.fixture
def image(cli, tmp_path):
    """Make an image like ours, with a stage of Python code and other settings."""
    made = []

    def make(behaviour="pass", *settings):
        name = f"localhost/graftline-conformance-{secrets.token_hex(4)}:test"
        stage = tmp_path / "stage"
        stage.write_text(STAGE.replace("BEHAVIOUR", behaviour))
        stage.chmod(0o755)
        lines = [f"FROM {IMAGE}", "COPY stage /opt/stage"]
        lines += ["ENV GRAFTLINE_STAGE= GRAFTLINE_EXEC=/opt/stage", *settings]
        (tmp_path / "Dockerfile").write_text("\n".join(lines) + "\n")
        build = [cli.program, "build", "--quiet", "--tag", name, str(tmp_path)]
        subprocess.run(build, check=True, capture_output=True)
        made.append(name)
        return name

    yield make
    for name in made:
        subprocess.run([cli.program, "rmi", "--force", name], capture_output=True)


def judged(reference, cli, **config):
    return judge_image(reference, config=config, inputs={}, sources={}, container_cli=cli.program)


def missed(verdict):
    """The promises that are not kept, with what was found."""
    return {check.name: check.detail for check in verdict.checks if check.state == "not kept"}


def leftovers(cli):
    label = ("--quiet", "--filter", "label=graftline.dev/conformance")
    found = []
    for words in (("ps", "--all"), ("network", "ls")):
        done = subprocess.run([cli.program, *words, *label], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found += done.stdout.split()
    return found


def test_our_own_image_keeps_the_contract(cli):
    verdict = judged(IMAGE, cli, operations=[])
    assert verdict.passed, missed(verdict)
    assert verdict.stage == "curate"
    assert len(verdict.checks) == 17
    assert leftovers(cli) == []


def test_a_program_s_image_keeps_it_and_finds_its_sources(cli, image, tmp_path):
    source = tmp_path / "tickets.jsonl"
    source.write_text("{}\n")
    behaviour = "assert pathlib.Path(config['place']).read_text() == '{}\\n', config"
    verdict = judge_image(
        image(behaviour),
        config={},
        inputs={},
        sources={"place": str(source)},
        container_cli=cli.program,
    )
    assert verdict.passed, missed(verdict)


def test_an_image_that_writes_beside_tmp_is_found_out(cli, image):
    behaviour = "pathlib.Path('/var/tmp/x').write_text('x')"
    found = missed(judged(image(behaviour), cli))
    assert set(found) == {"runs", "needs-no-writable-root"}
    assert "Read-only file system: '/var/tmp/x'" in found["needs-no-writable-root"]


def test_an_image_that_wants_root_is_found_out(cli, image):
    behaviour = "p = work / 'x'; p.touch(); os.chown(p, 7, 7)"
    found = missed(judged(image(behaviour, "USER root"), cli))
    assert set(found) == {
        "has-numeric-user",
        "runs",
        "runs-as-another-user",
        "needs-no-capabilities",
    }
    assert "Operation not permitted" in found["needs-no-capabilities"]


def test_an_image_that_calls_out_is_found_out(cli, image):
    if not cli.is_podman and _docker_version(cli) < 25:
        pytest.skip("docker before 25 leads from internal networks to its own machine")
    with socket.create_server(("0.0.0.0", 0)) as outside:
        threading.Thread(target=_welcome, args=(outside,), daemon=True).start()
        place = f"{_own_address()}:{outside.getsockname()[1]}"
        behaviour = "socket.create_connection(config['place'].split(':'), timeout=5)"
        found = missed(judged(image(behaviour), cli, place=place))
    assert set(found) == {"runs", "needs-no-network"}
    assert "unreachable" in found["needs-no-network"] or "timed out" in found["needs-no-network"]
    assert leftovers(cli) == []


def test_an_image_without_the_command_or_with_a_secret_is_found_out(cli, image):
    settings = ("ENV PATH=/nowhere HF_TOKEN=hf_x", "USER app")
    found = missed(judged(image("pass", *settings), cli))
    assert set(found) >= {"has-numeric-user", "holds-no-secrets", "has-the-stage-command"}
    assert leftovers(cli) == []


def test_an_image_that_cannot_be_pulled_is_told(cli):
    with pytest.raises(ConfigError, match="localhost/no-such-image:1 is not here and cannot be"):
        judged("localhost/no-such-image:1", cli)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_nothing(cli, image, number):
    reference = image("__import__('time').sleep(120)")
    command = [sys.executable, "-m", "graftline_workflows.cli.main", "conformance", reference]
    process = subprocess.Popen(
        [*command, "--container-cli", cli.program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "reads no artifacts" in line:  # what comes before `runs`
            break
    time.sleep(2)
    assert leftovers(cli) != []
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stderr.splitlines()[-1] == "stopped"
    assert leftovers(cli) == []


def _own_address():
    """This machine's address towards the world; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError as error:
            pytest.skip(f"this machine has no way out that an image could use: {error}")
        return probe.getsockname()[0]


def _docker_version(cli):
    asked = [cli.program, "version", "--format", "{{.Server.Version}}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    return int(done.stdout.partition(".")[0])


def _welcome(listening):
    while True:
        try:
            listening.accept()[0].close()
        except OSError:
            return
