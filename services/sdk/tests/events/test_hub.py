import threading
import time

import grpc
import pytest

from graftline.events import backlog
from graftline.events.hub import Limits, RunsHub, serve
from graftline.events.messages import EventSource
from graftline.v1 import index_service_pb2, stage_pb2

ONE = EventSource("r1", "one")


def watch(stub, run="r1"):
    """Begin to watch; the server has taken the call when this returns."""
    call = stub.Watch(index_service_pb2.WatchRequest(run=run), timeout=60)
    call.initial_metadata()
    return call


def report(stub, *events):
    requests = [index_service_pb2.ReportRequest(event=event) for event in events]
    return stub.Report(iter(requests), timeout=30).received


class OpenReport:
    """A reporter that stays connected."""

    def __init__(self, stub):
        self._over = threading.Event()
        self.call = stub.Report.future(self._requests(), timeout=60)
        self.call.initial_metadata()

    def _requests(self):
        self._over.wait(60)
        yield from ()

    def end(self):
        self._over.set()


def eventually(condition, timeout_s=10.0):
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_watchers_of_other_runs_hear_nothing_and_late_ones_hear_the_past():
    hub = RunsHub()
    other, every = hub.subscribe("other"), hub.subscribe()
    hub.publish(ONE.log("early", "info"))
    assert other.get(0.05) is None
    assert every.get(1.0).log.text == "early"
    assert hub.subscribe("r1").get(1.0).log.text == "early"
    other.close()
    every.close()


def test_a_subscriber_waits_for_what_comes():
    hub = RunsHub()
    subscription = hub.subscribe("r1")
    threading.Timer(0.1, hub.publish, [ONE.log("late", "info")]).start()
    assert subscription.get(10.0).log.text == "late"
    assert subscription.get(0.0) is None


def test_reported_events_reach_a_watcher_in_order(served):
    stub = served.stub()
    call = watch(stub)
    assert report(stub, *(ONE.log(str(n), "info") for n in range(500))) == 500
    assert [next(call).event.log.text for _ in range(500)] == [str(n) for n in range(500)]
    call.cancel()


def test_a_watcher_hears_what_another_thread_publishes(served):
    call = watch(served.stub())
    served.hub.publish(ONE.log("hello", "info"))
    assert next(call).event.log.text == "hello"
    call.cancel()


def test_many_watchers_take_nothing_from_reporters(served):
    """They once held a thread of 32 each."""
    stub = served.stub()
    watchers = [watch(served.stub() if n % 50 == 0 else stub) for n in range(100)]
    reporters = [OpenReport(stub) for _ in range(40)]
    assert report(served.stub(), ONE.log("through", "info")) == 1
    assert {next(call).event.log.text for call in watchers} == {"through"}
    for reporter in reporters:
        reporter.end()
    assert {reporter.call.result().received for reporter in reporters} == {0}
    for call in watchers:
        call.cancel()


def test_one_watcher_too_many_is_refused_and_a_place_is_free_again(serve_hub):
    served = serve_hub(Limits(watchers=2, reporters=1))
    stub = served.stub()
    first, second = watch(stub), watch(stub)
    third = watch(stub)
    with pytest.raises(grpc.RpcError) as refused:
        next(third)
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "2 watchers" in refused.value.details()
    assert report(stub, ONE.log("through", "info")) == 1
    assert next(second).event.log.text == "through"
    first.cancel()

    def is_let_in():
        try:
            return next(watch(stub)).event.log.text == "through"
        except grpc.RpcError:
            return False

    eventually(is_let_in)


def test_one_reporter_too_many_is_refused_and_a_place_is_free_again(serve_hub):
    stub = serve_hub(Limits(watchers=1, reporters=1)).stub()
    reporter = OpenReport(stub)
    with pytest.raises(grpc.RpcError) as refused:
        report(stub, ONE.log("x", "info"))
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    reporter.call.cancel()

    def is_let_in():
        try:
            return report(stub, ONE.log("x", "info")) == 1
        except grpc.RpcError:
            return False

    eventually(is_let_in)


def test_a_watcher_that_does_not_read_costs_nothing_and_hears_the_end(served):
    stub = served.stub()
    lazy = watch(stub)
    long = "x" * 4_000
    for _ in range(10):
        assert report(stub, *(ONE.log(long, "info") for _ in range(1_000))) == 1_000
    report(stub, ONE.state(stage_pb2.STEP_STATE_SUCCEEDED, "the end"))
    assert served.hub._backlogs.size <= backlog.KEPT_BYTES
    read = 0
    for response in lazy:
        read += 1
        if response.event.state.message == "the end":
            break
    assert read < 5_000
    lazy.cancel()


def test_the_streams_end_politely_with_the_server(served):
    stub = served.stub()
    watcher, reporter = watch(stub), OpenReport(stub)
    stopped = served.server.stop(30)
    with pytest.raises(grpc.RpcError) as ended:
        next(watcher)
    assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
    assert reporter.call.code() == grpc.StatusCode.UNAVAILABLE
    reporter.end()
    assert stopped.wait(10)
    assert not served.hub._subscriptions


def test_a_port_is_served_once(served):
    with pytest.raises(RuntimeError, match="Failed to bind"):
        serve(RunsHub(), served.address)
