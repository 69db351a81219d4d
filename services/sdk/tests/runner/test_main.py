"""The command line of every stage, in a process of its own where exit codes and signals count."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from google.protobuf.json_format import Parse

from graftline.config import Config
from graftline.errors import DataError
from graftline.ports import Port
from graftline.runner.main import main, run_image
from graftline.stage import Stage
from graftline.store import RunRecords
from graftline.v1 import stage_pb2


class NapConfig(Config):
    seconds: float = 0.0


NAP = Stage(
    name="nap",
    version="1",
    summary="Sleeps",
    inputs=(),
    outputs=(Port("report", ("report",)),),
    config=NapConfig,
    run="graftline.runner.main:main",
)


def ended(arguments, stage=NAP):
    with pytest.raises(SystemExit) as caught:
        main(stage, arguments)
    return caught.value.code


def test_describe_prints_the_descriptor(capsys):
    assert ended(["describe"]) == 0
    found = Parse(capsys.readouterr().out, stage_pb2.StageDescriptor())
    assert (found.name, found.contract_version) == ("nap", "1")
    assert "seconds" in json.loads(found.config_schema)["properties"]


@pytest.mark.parametrize(
    ("config", "code", "words"),
    [
        ({"seconds": 1}, 0, "ok"),
        ({"second": 1}, 64, "did you mean 'seconds'"),
        ([], 64, "JSON object"),
    ],
)
def test_check_tells_what_is_wrong_without_running(tmp_path, capsys, config, code, words):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    assert ended(["check", "--config", str(path)]) == code
    printed = capsys.readouterr()
    assert words in printed.out + printed.err


@pytest.mark.parametrize("content", [None, "{", '{"no_such_field": 1}'])
def test_an_unreadable_request_is_one_line_and_64(tmp_path, capsys, content):
    path = tmp_path / "request.json"
    if content is not None:
        path.write_text(content)
    assert ended(["run", "--request", str(path)]) == 64
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: request")


@pytest.mark.parametrize(
    ("error", "code"),
    [(DataError("bad rows"), 65), (OSError(28, "No space left"), 75), (ValueError("x"), 70)],
)
def test_every_error_has_its_exit_code_and_its_line(monkeypatch, capsys, error, code):
    def fails(stage, options):
        raise error

    monkeypatch.setattr("graftline.runner.main._serve", fails)
    assert ended(["describe"]) == code
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("error: ")


def test_a_full_disk_under_the_termination_log_changes_no_exit_code(monkeypatch, tmp_path, capsys):
    class Full(type(tmp_path)):
        def write_text(self, *arguments, **more):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    log = Full(tmp_path / "termination-log")
    log.touch()
    monkeypatch.setattr("graftline.runner.main._TERMINATION_LOG", log)

    def fails(stage, options):
        raise OSError(errno.ENOSPC, "No space left")

    monkeypatch.setattr("graftline.runner.main._serve", fails)
    assert ended(["describe"]) == 75
    assert "the disk is full" in capsys.readouterr().err


PARENT = """
import os, subprocess, sys, time
environment = {**os.environ, "GRAFTLINE_ENGINE_PID": str(os.getpid())}
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=sys.stdout, env=environment)
time.sleep(2)
"""
CHILD = """
import os, time
from graftline.runner.signals import StopSignal
stop = StopSignal()
stop.watch_engine()
asked = []
stop.connect(lambda: asked.append(1))
print(os.getpid(), flush=True)
for _ in range(200):
    time.sleep(0.1)
    if asked:
        print("stopped", flush=True)
        break
"""


def test_a_step_whose_engine_was_gone_before_it_looked_stops():
    gone = subprocess.Popen(["true"])
    gone.wait()
    environment = {**os.environ, "GRAFTLINE_ENGINE_PID": str(gone.pid)}
    child = [sys.executable, "-c", CHILD]
    done = subprocess.run(child, env=environment, capture_output=True, text=True, timeout=20)
    assert done.stdout.splitlines()[1:] == ["stopped"]


def test_a_step_whose_engine_is_killed_stops(tmp_path):
    with (tmp_path / "out").open("w+") as out:
        parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=out)
        deadline = time.monotonic() + 20
        while not (tmp_path / "out").read_text().strip() and time.monotonic() < deadline:
            time.sleep(0.05)
        parent.kill()
        parent.wait()
        while "stopped" not in (tmp_path / "out").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
    assert "stopped" in (tmp_path / "out").read_text()


def test_a_signal_during_start_up_is_not_lost_and_a_second_one_ends_it():
    code = (
        "import time\n"
        "from graftline.runner.signals import StopSignal\n"
        "stop = StopSignal()\nprint('ready', flush=True)\ntime.sleep(0.5)\n"
        "stop.connect(lambda: print('asked', flush=True))\ntime.sleep(30)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGTERM)
    assert process.stdout.readline() == "asked\n"
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(10) == 128 + signal.SIGTERM
    process.stdout.close()


def in_an_image(arguments, monkeypatch, **environment):
    """Run the console script `graftline-stage` as an image would."""
    monkeypatch.setattr("sys.argv", ["graftline-stage", *arguments])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as caught:
        run_image()
    return caught.value.code


def test_an_image_serves_the_stage_that_it_names(monkeypatch, capsys):
    assert in_an_image(["describe"], monkeypatch, GRAFTLINE_STAGE="graftline_curate") == 0
    assert Parse(capsys.readouterr().out, stage_pb2.StageDescriptor()).name == "curate"


def test_an_image_that_names_no_stage_says_what_it_wants(monkeypatch, capsys):
    assert in_an_image(["describe"], monkeypatch, GRAFTLINE_STAGE="no_such_stage") == 64
    assert "GRAFTLINE_STAGE=no_such_stage" in capsys.readouterr().err
    monkeypatch.delenv("GRAFTLINE_STAGE")
    assert in_an_image(["describe"], monkeypatch) == 64
    assert "GRAFTLINE_EXEC" in capsys.readouterr().err


def test_an_image_may_name_a_program_instead(monkeypatch, capsys, tmp_path):
    program = tmp_path / "stage"
    program.write_text("""#!/bin/sh\necho '{"name": "shell", "contractVersion": "1"}'\n""")
    program.chmod(0o755)
    assert in_an_image(["describe"], monkeypatch, GRAFTLINE_EXEC=str(program)) == 0
    assert '"name": "shell"' in capsys.readouterr().out


def test_a_request_is_read_from_the_store_by_the_names_of_run_and_step(
    store, s3_environment, monkeypatch, capsys
):
    asked = ["run", "--run", "r-1", "--step", "rest"]
    assert ended(asked) == 64
    assert "GRAFTLINE_STORE" in capsys.readouterr().err
    monkeypatch.setenv("GRAFTLINE_STORE", store.uri)
    assert ended(asked) == 65
    assert "no request for step 'rest' of run 'r-1'" in capsys.readouterr().err

    RunRecords(store).save_request(
        stage_pb2.StageRequest(run="r-1", step="rest", stage="work", contract_version="1")
    )
    assert ended(asked) == 64
    assert "step 'rest' asks for stage 'work', this is 'nap'" in capsys.readouterr().err
    assert ended([*asked, "--rank", "2", "--ranks", "2"]) == 64
    assert "there are 2 ranks" in capsys.readouterr().err


def test_run_wants_a_step(capsys):
    assert ended(["run", "--run", "r"]) == 64
    assert "--step" in capsys.readouterr().err
