import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from graftline.events.backlog import KEPT_BYTES
from graftline.events.messages import EventSource
from graftline.events.reporter import EventStream, StepReporter
from graftline.v1 import stage_pb2

RUNNING, SUCCEEDED = stage_pb2.STEP_STATE_RUNNING, stage_pb2.STEP_STATE_SUCCEEDED
SOURCE = EventSource("r1", "curate")


def hear(subscription, count, timeout_s=20.0):
    """The next events, in order; fewer if they do not come."""
    found, until = [], time.monotonic() + timeout_s
    while len(found) < count and time.monotonic() < until:
        event = subscription.get(0.1)
        if event is not None:
            found.append(event)
    return found


def seconds(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start


def test_what_a_step_says_arrives_in_order(served):
    subscription = served.hub.subscribe("r1")
    stream = EventStream(served.address)
    reporter = StepReporter(SOURCE, stream)
    reporter.state(RUNNING)
    reporter.log("reading")
    reporter.progress(10, 10, "rows")
    reporter.metric("loss", 0.5, 3)
    reporter.state(SUCCEEDED, exit_code=0)
    stream.close()
    events = hear(subscription, 5)
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds == ["state", "log", "progress", "metric", "state"]
    assert events[2].progress.total == 10
    assert events[4].state.exit_code == 0
    assert {event.step for event in events} == {"curate"}


def test_progress_is_thinned_but_its_end_is_not_lost(served):
    subscription = served.hub.subscribe("r1")
    stream = EventStream(served.address)
    reporter = StepReporter(SOURCE, stream)
    for done in range(1, 1001):
        reporter.progress(done, 1000, "rows")
    stream.close()
    seen = []
    while (event := subscription.get(0.5)) is not None:
        seen.append(event.progress.done)
    assert len(seen) < 20
    assert seen[-1] == 1000


def test_a_listener_that_was_never_there_costs_nothing():
    stream = EventStream("127.0.0.1:1")
    reporter = StepReporter(SOURCE, stream)

    def say():
        for number in range(3_000):
            reporter.metric("loss", 1.0, number)

    assert seconds(say) < 2.0
    time.sleep(1.5)
    assert seconds(stream.close) < 1.0


def test_without_an_address_nothing_is_kept():
    stream = EventStream("")
    StepReporter(SOURCE, stream).metric("loss", 1.0, 1)
    stream.close()
    assert stream._backlog.size == 0


def test_a_listener_that_comes_late_hears_all_that_is_kept(serve_hub):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stream = EventStream(f"127.0.0.1:{port}")
    reporter = StepReporter(SOURCE, stream)
    reporter.state(RUNNING)
    reporter.log("early")
    time.sleep(0.5)
    subscription = serve_hub(port=port).hub.subscribe("r1")
    first, second = hear(subscription, 2)
    assert (first.state.state, second.log.text) == (RUNNING, "early")
    stream.close()


def test_a_listener_that_restarts_learns_how_the_step_stands(serve_hub):
    before = serve_hub()
    stream = EventStream(before.address)
    reporter = StepReporter(SOURCE, stream)
    reporter.state(RUNNING)
    reporter.progress(3, 9, "rows")
    reporter.log("before")
    assert len(hear(before.hub.subscribe("r1"), 3)) == 3
    before.stop()
    reporter.log("while away")
    after = serve_hub(port=before.port)
    subscription = after.hub.subscribe("r1")
    state, progress, log = hear(subscription, 3)
    if log.log.text == "before":  # under way when the connection broke, it is said again
        (log,) = hear(subscription, 1)
    assert state.state.state == RUNNING
    assert (progress.progress.done, log.log.text) == (3, "while away")
    reporter.log("and on")
    assert hear(subscription, 1)[0].log.text == "and on"
    stream.close()


def test_a_broken_connection_repeats_nothing_to_who_heard_it(served):
    """How the step stands is said again; the hub knows it."""
    subscription = served.hub.subscribe("r1")
    stream = EventStream(served.address)
    reporter = StepReporter(SOURCE, stream)
    reporter.state(RUNNING)
    assert len(hear(subscription, 1)) == 1
    with stream._changed:
        assert stream._changed.wait_for(lambda: stream._answered, 10)
        call = stream._call
    call.cancel()
    reporter.log("on")
    assert [event.WhichOneof("event") for event in hear(subscription, 1)] == ["log"]
    assert subscription.get(0.5) is None
    stream.close()


LISTENER = """
import sys, time
from graftline.events.hub import RunsHub, serve
hub = RunsHub()
server, port = serve(hub, sys.argv[1])
print(port, flush=True)
subscription = hub.subscribe()
while True:
    event = subscription.get(1.0)
    if event is not None:
        print(event.WhichOneof("event"), event.log.text, flush=True)
"""


class Listener:
    """A listener in a process of its own, to be killed."""

    def __init__(self, port=0):
        command = [sys.executable, "-c", LISTENER, f"127.0.0.1:{port}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def hear_until(self, wanted):
        lines = []
        for line in self.process.stdout:
            lines.append(line.strip())
            if lines[-1] == wanted:
                return lines
        raise AssertionError(lines)

    def kill(self, number=signal.SIGKILL):
        os.kill(self.process.pid, number)
        self.process.wait(10)
        self.process.stdout.close()


@pytest.mark.fault
def test_a_listener_killed_again_and_again_is_heard_of_each_time():
    listener = Listener()
    stream = EventStream(f"127.0.0.1:{listener.port}")
    reporter = StepReporter(SOURCE, stream)
    reporter.state(RUNNING)
    for life in range(3):
        reporter.log(f"life {life}")
        assert "state" in listener.hear_until(f"log life {life}")
        listener.kill()
        assert seconds(lambda: [reporter.metric("loss", 1.0, n) for n in range(100)]) < 0.5
        listener = Listener(listener.port)
    reporter.log("last")
    listener.hear_until("log last")
    stream.close()
    listener.kill()


@pytest.mark.fault
def test_a_listener_that_hangs_blocks_nothing_and_fills_no_memory():
    listener = Listener()
    stream = EventStream(f"127.0.0.1:{listener.port}")
    reporter = StepReporter(SOURCE, stream)
    reporter.log("first")
    listener.hear_until("log first")
    os.kill(listener.process.pid, signal.SIGSTOP)

    def say():
        for number in range(5_000):
            stream.send(SOURCE.log("x" * 5_000, "info"))
            reporter.metric("loss", 1.0, number)

    assert seconds(say) < 5.0
    assert stream._backlog.size <= KEPT_BYTES
    assert seconds(stream.close) < 4.0
    listener.kill()


def test_threads_end_with_the_stream(served):
    before = threading.active_count()
    stream = EventStream(served.address)
    StepReporter(SOURCE, stream).state(SUCCEEDED)
    stream.close()
    assert not stream._thread.is_alive()
    until = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.05)
    assert threading.active_count() <= before


def test_progress_also_goes_to_a_file(tmp_path, capsys):
    path = tmp_path / "progress"
    reporter = StepReporter(SOURCE, EventStream(""), path)
    reporter.progress(1, None, "rows")
    assert not path.exists()
    reporter.progress(7, 7, "rows")
    assert path.read_text() == "7/7"
    assert capsys.readouterr().err == ""
