import threading

import grpc
import pytest

from graftline.events.hub import RunsHub, serve
from graftline.events.messages import EventSource
from graftline.events.reporter import EventStream, StepReporter
from graftline.v1 import index_service_pb2, index_service_pb2_grpc, stage_pb2


@pytest.fixture
def hub():
    hub = RunsHub()
    server, port = serve(hub)
    yield hub, f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_what_a_step_says_arrives_in_order(hub):
    runs, address = hub
    subscription = runs.subscribe("r1")
    stream = EventStream(address)
    reporter = StepReporter(EventSource("r1", "curate"), stream)
    reporter.state(stage_pb2.STEP_STATE_RUNNING)
    reporter.log("reading")
    reporter.progress(10, 10, "rows")
    reporter.metric("loss", 0.5, 3)
    reporter.state(stage_pb2.STEP_STATE_SUCCEEDED, exit_code=0)
    stream.close()
    events = [subscription.get(5.0) for _ in range(5)]
    assert [event.WhichOneof("event") for event in events] == [
        "state",
        "log",
        "progress",
        "metric",
        "state",
    ]
    assert events[2].progress.total == 10
    assert events[4].state.exit_code == 0
    assert {event.step for event in events} == {"curate"}


def test_progress_is_thinned_but_its_end_is_not_lost(hub):
    runs, address = hub
    subscription = runs.subscribe("r1")
    stream = EventStream(address)
    reporter = StepReporter(EventSource("r1", "curate"), stream)
    for done in range(1, 1001):
        reporter.progress(done, 1000, "rows")
    stream.close()
    seen = []
    while (event := subscription.get(0.5)) is not None:
        seen.append(event.progress.done)
    assert len(seen) < 20
    assert seen[-1] == 1000


def test_a_listener_that_is_away_costs_nothing():
    stream = EventStream("127.0.0.1:1")
    reporter = StepReporter(EventSource("r", "s"), stream)
    for number in range(100):
        reporter.metric("loss", 1.0, number)
    stream.close()


def test_watchers_of_other_runs_hear_nothing_and_late_ones_hear_the_past(hub):
    runs, address = hub
    other = runs.subscribe("other")
    runs.publish(EventSource("r1", "a").log("early", "info"))
    assert other.get(0.05) is None
    assert runs.subscribe("r1").get(1.0).log.text == "early"


def test_watching_over_grpc(hub):
    runs, address = hub
    got = []
    ready = threading.Event()

    def watch():
        with grpc.insecure_channel(address) as channel:
            stub = index_service_pb2_grpc.RunsServiceStub(channel)
            for response in stub.Watch(index_service_pb2.WatchRequest(run="r1")):
                got.append(response.event.log.text)
                ready.set()
                return

    thread = threading.Thread(target=watch)
    thread.start()
    runs.publish(EventSource("r1", "a").log("hello", "info"))
    assert ready.wait(10)
    thread.join(10)
    assert got == ["hello"]
