import os
import re
import signal
import subprocess
import sys
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from graftline.events.messages import EventSource
from graftline.events.reporter import EventStream, StepReporter
from graftline.v1 import index_service_pb2 as pb
from graftline.v1 import index_service_pb2_grpc, stage_pb2

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARNING|ERROR) .+")


class Process:
    """`python -m graftline_index serve` over a store."""

    def __init__(self, environment, *arguments):
        self.lines = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "graftline_index", "serve", *arguments],
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.port = int(re.search(r"listening on .*?:(\d+) for", self.read_until("listening"))[1])
        self.address = f"127.0.0.1:{self.port}"

    def read_until(self, wanted):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            if wanted in line:
                return line
        raise AssertionError(self.lines)

    def end(self, number=signal.SIGTERM):
        """Send a signal; give the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        """Give the exit code."""
        self.lines += self.process.stderr.read().splitlines()
        self.process.stderr.close()
        return self.process.wait(30)


@pytest.fixture
def start(s3_server, store):
    running = []

    def do(port=0, **environment):
        settings = {**s3_server.environment, "GRAFTLINE_STORE": store.uri, **environment}
        running.append(Process(settings, "--address", f"127.0.0.1:{port}", "--grace", "3"))
        return running[-1]

    yield do
    for one in running:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


def ask(*arguments, **environment):
    """Run a command that ends by itself."""
    settings = {k: v for k, v in os.environ.items() if k != "GRAFTLINE_STORE"} | environment
    return subprocess.run(
        [sys.executable, "-m", "graftline_index", *arguments],
        env=settings,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_help_teaches():
    ended = ask("serve", "--help")
    assert ended.returncode == 0
    for word in ("GRAFTLINE_STORE", "ManifestsService", "--address", "exit codes", "example:"):
        assert word in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required"),
        (["serve"], "no store is named"),
        (["serve", "--store", "/tmp"], "s3://bucket/prefix"),
        (["serve", "--store", "s3://b", "--address", "50051"], "HOST:PORT"),
        (["serve", "--store", "s3://b", "--address", "h:99999"], "HOST:PORT"),
        (["serve", "--store", "s3://b", "--grace", "-1"], "0 to 3600"),
        (["serve", "--store", "s3://b", "--max-watchers", "0"], "--max-watchers"),
        (["serve", "--store", "s3://b", "--shout"], "--shout"),
    ],
)
def test_a_bad_argument_is_one_line_and_64(arguments, said):
    ended = ask(*arguments)
    assert ended.returncode == 64
    (line,) = ended.stderr.splitlines()
    assert LINE.fullmatch(line)
    assert said in line


def test_it_serves_until_sigterm_and_ends_cleanly(start, publish):
    committed = publish("curate")
    index = start()
    index.read_until("SERVING")
    with grpc.insecure_channel(index.address) as channel:
        stub = index_service_pb2_grpc.ManifestsServiceStub(channel)
        found = stub.GetManifest(pb.GetManifestRequest(key=committed.manifest.key), timeout=30)
        assert found.manifest.step == "curate"
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(health).status == health_pb2.HealthCheckResponse.SERVING
        index.process.send_signal(signal.SIGTERM)
        assert next(health).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert index.wait() == 0
    assert not [line for line in index.lines if not LINE.fullmatch(line)]
    assert index.lines[-1].endswith("stopped")


def test_a_second_signal_ends_it_at_once(start):
    index = start()
    index.process.send_signal(signal.SIGTERM)
    index.read_until("stopping")
    assert index.end() == 128 + signal.SIGTERM


def test_it_starts_without_its_store(start):
    index = start(AWS_ENDPOINT_URL_S3="http://127.0.0.1:1")
    index.read_until("NOT_SERVING")
    assert index.end() == 0
    assert not [line for line in index.lines if not LINE.fullmatch(line)]


def test_an_address_in_use_is_one_line_and_64(start):
    index = start()
    settings = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    ended = ask("serve", "--store", "s3://b", "--address", index.address, **settings)
    assert ended.returncode == 64
    assert f"cannot listen on {index.address}" in ended.stderr.splitlines()[-1]
    assert index.end() == 0


def hear(address, count):
    """The first events that a watcher of the run gets."""
    with grpc.insecure_channel(address) as channel:
        stub = index_service_pb2_grpc.RunsServiceStub(channel)
        call = stub.Watch(pb.WatchRequest(run="r1"), timeout=60, wait_for_ready=True)
        return [next(call).event for _ in range(count)]


@pytest.mark.fault
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_step_goes_on_while_the_index_is_gone_and_is_heard_again(start, number):
    index = start()
    stream = EventStream(index.address)
    reporter = StepReporter(EventSource("r1", "adapter"), stream)
    reporter.state(stage_pb2.STEP_STATE_RUNNING)
    reporter.progress(1, 9, "steps")
    assert len(hear(index.address, 2)) == 2
    index.end(number)
    started = time.monotonic()
    for at in range(1_000):
        reporter.metric("loss", 1.0, at)
    assert time.monotonic() - started < 2
    again = start(index.port)
    state, progress, *metrics = hear(again.address, 1_002)
    assert state.state.state == stage_pb2.STEP_STATE_RUNNING
    assert progress.progress.done == 1
    assert [event.metric.at for event in metrics] == list(range(1_000))
    stream.close()
