"""Images by a stand-in for docker: what it is told, and what is made of what comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from graftline_workflows.cli.main import run_command
from graftline_workflows.conformance.container_cli import ContainerCliFailed
from graftline_workflows.conformance.verdict import judge_image

IMAGE = "registry.example/curate:1"
LABELS = {
    f"org.opencontainers.image.{name}": name * 3 for name in ("source", "revision", "version")
}
DESCRIPTOR = {
    "contractVersion": "1",
    "name": "page",
    "version": "1",
    "summary": "A page",
    "configSchema": '{"type":"object","additionalProperties":false}',
    "outputs": [{"name": "report", "kinds": ["ARTIFACT_KIND_REPORT"]}],
}
PAGE = f"""#!/bin/sh
if [ "$1" = describe ]; then echo '{json.dumps(DESCRIPTOR)}'; exit 0; fi
CONDITION
mkdir -p "$2/outputs/report" && echo hello > "$2/outputs/report/index.html"
echo '{{"outputs":[{{"port":"report","kind":"ARTIFACT_KIND_REPORT"}}]}}' > "$2/result.json"
"""


def page(folder, condition=""):
    """Write a stage that is a shell script and behaves by what is taken from it."""
    program = folder / "page"
    program.write_text(PAGE.replace("CONDITION", condition))
    program.chmod(0o755)
    return program


def judged(**settings):
    given = {"config": {}, "inputs": {}, "sources": {}, **settings}
    return judge_image(IMAGE, **given)


def states(verdict):
    return {check.name: check.state for check in verdict.checks}


def details(verdict):
    return {check.name: check.detail for check in verdict.checks}


def test_a_stage_as_an_image_is_judged_and_nothing_is_left(stand_in, tmp_path, capsys):
    stand_in.image(labels=LABELS, GRAFTLINE_EXEC=str(page(tmp_path)))
    assert run_command(["conformance", IMAGE, "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["command"] == f"image:{IMAGE}"
    assert verdict["stage"] == "page"
    assert {check["state"] for check in verdict["checks"]} == {"kept"}
    assert [check["name"] for check in verdict["checks"]] == [
        "has-numeric-user",
        "says-where-it-is-from",
        "holds-no-secrets",
        "has-the-stage-command",
        "describes",
        "accepts-settings",
        "refuses-unknown-settings",
        "refuses-missing-inputs",
        "runs",
        "conserves-rows",
        "repeats-nothing",
        "is-deterministic",
        "stops-politely",
        "runs-as-another-user",
        "needs-no-writable-root",
        "needs-no-capabilities",
        "needs-no-network",
    ]

    (created,) = stand_in.calls("network", "create")
    network = created[-1]
    owner = network.split("-")[2]
    label = f"graftline.dev/conformance={owner}"
    assert network == f"graftline-conformance-{owner}-closed"
    assert created == ["network", "create", "--label", label, "--internal", network]
    confined = ["--user", "65532:65532", "--read-only", "--cap-drop", "ALL"]
    confined += ["--security-opt", "no-new-privileges"]
    confined += ["--tmpfs", "/tmp:rw,exec,mode=1777", "--env", "HOME=/tmp"]
    runs = stand_in.calls("run")
    described = [call for call in runs if call[-1] == "describe"]
    name = f"graftline-conformance-{owner}-1"
    begin = ["run", "--rm", "--pull=never", "--name", name, "--label", label, *confined]
    end = ["--entrypoint", "graftline-stage", IMAGE]
    assert described[0] == [*begin, "--network", "none", *end, "describe"]
    ran = [call for call in runs if call not in described]
    begin[4] = ran[0][4]
    variables = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID"]
    variables += ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "GRAFTLINE_STORE"]
    variables += ["GRAFTLINE_IMAGE", "GRAFTLINE_EVENTS", "NO_PROXY", "no_proxy"]
    given = [word for variable in variables for word in ("--env", variable)]
    asked = ["run", "--run", "conformance", "--step", "page", "--rank", "0", "--ranks", "1"]
    asked += ["--attempt", "0"]
    assert ran[0] == [*begin, "--network", network, *given, *end, *asked]
    assert len({call[4] for call in runs}) == len(runs)
    assert {tuple(call[5:]) for call in ran} == {tuple(ran[0][5:])}

    assert stand_in.calls("kill")[0][:3] == ["kill", "--signal", "TERM"]
    last = stand_in.calls()[-3:]
    assert last[0] == ["ps", "--all", "--quiet", "--filter", f"label={label}"]
    assert last[1] == ["network", "ls", "--quiet", "--filter", f"label={label}"]
    assert last[2] == ["network", "rm", network]


def test_podman_gives_no_writable_folders_of_its_own(stand_in):
    (stand_in.folder / "version").write_text("Client: Podman Engine")
    (stand_in.folder / "no-command").touch()
    judged()
    assert stand_in.calls("run")
    for call in stand_in.calls("run"):
        assert "--read-only-tmpfs=false" in call


@pytest.mark.parametrize(
    ("condition", "missed", "cause"),
    [
        (
            'case "$LIMITS" in *read-only*) echo "error: /opt is read-only" >&2; exit 70 ;; esac',
            "needs-no-writable-root",
            "/opt is read-only",
        ),
        (
            'case "$LIMITS" in *network*) echo "error: no such host" >&2; exit 75 ;; esac',
            "needs-no-network",
            "no such host",
        ),
    ],
    ids=["root", "network"],
)
def test_what_an_image_cannot_do_without_is_found_out(stand_in, tmp_path, condition, missed, cause):
    stand_in.image(GRAFTLINE_EXEC=str(page(tmp_path, condition)))
    verdict = judged()
    found = states(verdict)
    assert not verdict.passed
    assert found["runs"] == "not kept"
    assert found["is-deterministic"] == "not reached"
    reasons = list(found)[-4:]
    assert {name: found[name] for name in reasons} == {
        name: "not kept" if name == missed else "kept" for name in reasons
    }
    assert cause in details(verdict)[missed]
    networks = [call[-1].rpartition("-")[2] for call in stand_in.calls("network", "create")]
    assert networks == ["closed", "open"]
    assert (stand_in.folder / "networks").read_text() == ""


def test_a_stage_that_fails_anyway_is_not_blamed_on_restrictions(stand_in, tmp_path):
    stand_in.image(GRAFTLINE_EXEC=str(page(tmp_path, "echo 'error: never' >&2; exit 70")))
    found = states(judged())
    assert found["runs"] == "not kept"
    assert set(list(found.values())[-4:]) == {"not reached"}


def test_an_image_without_the_stage_command_gets_a_verdict(stand_in):
    (stand_in.folder / "no-command").touch()
    verdict = judged()
    assert not verdict.passed
    assert verdict.stage == ""
    found = states(verdict)
    assert found["has-the-stage-command"] == "not kept"
    assert "no graftline-stage on the image's PATH" in details(verdict)["has-the-stage-command"]
    assert found["describes"] == "not kept"
    assert found["needs-no-network"] == "not reached"


def test_sources_are_mounted_for_reading(stand_in, tmp_path):
    stand_in.image(GRAFTLINE_EXEC=str(page(tmp_path)))
    source = tmp_path / "tickets.jsonl"
    source.write_text("{}\n")
    judged(sources={"source": str(source)})
    target = "/graftline/sources/source/tickets.jsonl"
    mount = ["--mount", f"type=bind,source={source},target={target},readonly"]
    for call in stand_in.calls("run"):
        at = call.index("--mount") if "--mount" in call else None
        assert (at is None) == (call[-1] == "describe")
        assert at is None or call[at : at + 2] == mount


def test_an_engine_that_can_start_nothing_is_not_the_image_s_fault(stand_in):
    program = stand_in.folder / "docker"
    script = program.read_text()
    program.write_text(
        script.replace(
            "def run(words):\n",
            "def run(words):\n    sys.stderr.write('no runtime\\n')\n    sys.exit(125)\n",
        )
    )
    with pytest.raises(ContainerCliFailed, match="cannot start a container: no runtime"):
        judged()
    assert (stand_in.folder / "networks").read_text() == ""


def test_a_store_that_no_container_reaches_is_not_the_image_s_fault(stand_in, tmp_path):
    # An address of documentation: the relay listens there, and nobody gets to it.
    (stand_in.folder / "gateway").write_text("192.0.2.7")
    stand_in.image(GRAFTLINE_EXEC=str(page(tmp_path)))
    with pytest.raises(ContainerCliFailed, match="can reach the store at http://192.0.2.7:"):
        judged()
    assert (stand_in.folder / "networks").read_text() == ""


def test_an_image_cannot_be_judged_without_docker_or_podman(no_container_cli, capsys):
    assert run_command(["conformance", IMAGE]) == 64
    assert "docker is not installed; podman is not installed" in capsys.readouterr().err


def test_the_option_for_images_is_refused_for_commands(capsys):
    assert run_command(["conformance", "mine", "--container-cli", "docker"]) == 64
    assert "image:mine" in capsys.readouterr().err


def test_a_command_that_is_not_there_hints_at_images(capsys):
    assert run_command(["conformance", "no-such-program"]) == 64
    assert "image:REFERENCE" in capsys.readouterr().err


def test_ctrl_c_removes_container_network_and_folders(stand_in, tmp_path):
    stand_in.image(GRAFTLINE_EXEC=str(page(tmp_path, "exec sleep 60")))
    (tmp_path / "tmp").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "graftline_workflows.cli.main", "conformance", IMAGE],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "reads no artifacts" in line:  # the check before `runs`
            break
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert stderr.strip().splitlines()[-1] == "stopped"
    assert (stand_in.folder / "networks").read_text() == ""
    running = stand_in.calls("run")[-1][4]
    assert ["rm", "--force", "--volumes", running] in stand_in.calls()
    pid = int((stand_in.folder / f"{running}.pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert list((tmp_path / "tmp").iterdir()) == []
