"""A program in another language that does not behave."""

import json
import sys

import pytest

from graftline import CONTRACT_VERSION
from graftline.canonical import sha256_text
from graftline.errors import ConfigError, DataError
from graftline.events.messages import EventSource
from graftline.events.reporter import EventStream, StepReporter
from graftline.runner.execute import StepExecution
from graftline.runner.foreign import declare, describe, runner_of
from graftline.v1 import stage_pb2

DESCRIPTOR = {
    "contractVersion": CONTRACT_VERSION,
    "name": "shout",
    "configSchema": '{"type": "object"}',
    "outputs": [{"name": "report", "kinds": ["ARTIFACT_KIND_REPORT"]}],
}
PROGRAM = """#!{python}
import json, os, pathlib, sys
if sys.argv[1] == "describe":
    print({descriptor!r})
    sys.exit()
work = pathlib.Path(sys.argv[2])
{body}
(work / "outputs/report/text").write_text("done")
result = {{"outputs": [{{"port": "report", "kind": "ARTIFACT_KIND_REPORT"}}]}}
(work / "result.json").write_text(json.dumps(result))
"""


@pytest.fixture
def run(store, s3_environment, tmp_path):
    """Run a program with this in its middle; give whether it was built."""

    def do(body):
        program = tmp_path / "shout"
        text = PROGRAM.format(python=sys.executable, descriptor=json.dumps(DESCRIPTOR), body=body)
        program.write_text(text)
        program.chmod(0o755)
        request = stage_pb2.StageRequest(
            run="r", step="one", stage="shout", key=sha256_text(body), config="{}", store=store.uri
        )
        folder = tmp_path / "work"
        folder.mkdir()
        reporter = StepReporter(EventSource("r", "one"), EventStream(""))
        load = lambda: runner_of(str(program), request, folder, reporter)  # noqa: E731
        return StepExecution(declare(str(program)), load, request, folder, reporter).run()

    return do


@pytest.mark.timeout(60)
def test_what_it_prints_may_be_in_any_encoding(run, capsys):
    """More than a pipe holds: a reader that gave up would leave the program hanging."""
    noise = "b'caf\\xe9 ' * 20000 + b'\\n'"
    assert run(f"os.write(2, {noise}); os.write(1, {noise})")
    assert "caf\N{REPLACEMENT CHARACTER} " in capsys.readouterr().err


@pytest.mark.parametrize("line", ["42", "null", "[1, 2]", '"text"', '{"no": "event"}', "{torn"])
def test_a_line_that_is_no_event_is_a_line_of_its_log(run, capsys, line):
    assert run(f"print({line!r})")
    assert line in capsys.readouterr().err


def test_its_last_word_is_the_cause(run):
    with pytest.raises(DataError, match="^row 7 is odd$"):
        run("print('error: row 7 is odd', file=sys.stderr); sys.exit(65)")


def test_one_that_cannot_describe_itself_says_why(tmp_path):
    program = tmp_path / "mute"
    program.write_text("#!/bin/sh\necho no config here >&2\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(ConfigError, match="describe' ended with 3: no config here"):
        describe(str(program))
