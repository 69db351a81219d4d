import os
import signal
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from graftline.errors import ConfigError
from graftline.events.hub import Limits
from graftline.events.messages import EventSource
from graftline.store import EmbeddedStore, Store
from graftline.v1 import index_service_pb2 as pb
from graftline_index import health
from graftline_index.server import MANIFESTS, RUNS

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
ENTRY = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(health, "WELL_INTERVAL_S", 0.1)
    monkeypatch.setattr(health, "ILL_INTERVAL_S", 0.1)


def status(index, service=""):
    stub = health_pb2_grpc.HealthStub(index.channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status


def eventually(index, wanted, timeout_s=30.0):
    until = time.monotonic() + timeout_s
    while (found := [status(index, name) for name in ("", MANIFESTS, RUNS)]) != wanted:
        assert time.monotonic() < until, found
        time.sleep(0.05)


def test_it_is_healthy_while_the_store_answers(index):
    eventually(index, [SERVING, SERVING, SERVING])


def test_the_store_goes_and_comes_back(serve_index, tmp_path):
    with EmbeddedStore(tmp_path) as server:
        index = serve_index(server.open())
        eventually(index, [SERVING, SERVING, SERVING])
        for process in server.process_ids:
            os.kill(process, signal.SIGKILL)
        eventually(index, [NOT_SERVING, NOT_SERVING, SERVING])
        assert server.ensure_running()
        eventually(index, [SERVING, SERVING, SERVING])
        response = index.manifests.ListManifests(pb.ListManifestsRequest(), timeout=60)
        assert not response.manifests


def test_a_store_that_hangs_is_no_store(serve_index, monkeypatch):
    import socket

    monkeypatch.setattr(health, "_ANSWER_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        index = serve_index(Store.open("s3://bucket", {**ENTRY, "AWS_ENDPOINT_URL": endpoint}))
        eventually(index, [NOT_SERVING, NOT_SERVING, SERVING])
        time.sleep(0.5)
        assert status(index) == NOT_SERVING


def test_a_missing_bucket_is_no_store(serve_index, s3_server, caplog):
    index = serve_index(Store.open("s3://nowhere", s3_server.environment))
    eventually(index, [NOT_SERVING, NOT_SERVING, SERVING])
    time.sleep(0.5)
    assert status(index) == NOT_SERVING
    assert caplog.text.count("no such bucket") == 1


def test_health_of_what_is_not_there_is_not_found(index):
    with pytest.raises(grpc.RpcError) as error:
        status(index, "graftline.v1.NothingService")
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


def test_a_stop_says_not_serving_first_and_ends_streams(index):
    eventually(index, [SERVING, SERVING, SERVING])
    watcher = index.runs.Watch(pb.WatchRequest(run="r"), timeout=30)
    watcher.initial_metadata()
    stopping = index.begin_to_stop(grace_s=20.0)
    eventually(index, [NOT_SERVING, NOT_SERVING, NOT_SERVING])
    with pytest.raises(grpc.RpcError) as ended:
        next(watcher)
    assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
    stopping.result(10)


def test_reflection_names_the_services(index):
    stub = reflection_pb2_grpc.ServerReflectionStub(index.channel)
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(stub.ServerReflectionInfo(iter([question])))
    names = {service.name for service in answer.list_services_response.service}
    assert {MANIFESTS, RUNS, "grpc.health.v1.Health"} <= names
    question = reflection_pb2.ServerReflectionRequest(file_containing_symbol=MANIFESTS)
    answer = next(stub.ServerReflectionInfo(iter([question])))
    assert answer.file_descriptor_response.file_descriptor_proto


def test_watchers_and_a_slow_store_take_nothing_from_reporters(serve_index):
    """Questions wait for a store that hangs; events go on."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        store = Store.open("s3://bucket", {**ENTRY, "AWS_ENDPOINT_URL": endpoint})
        index = serve_index(store, Limits(watchers=50, reporters=10))
        request = pb.GetManifestRequest(key="a" * 64)
        waiting = [index.manifests.GetManifest.future(request, timeout=5) for _ in range(20)]
        watchers = [index.runs.Watch(pb.WatchRequest(run="r"), timeout=30) for _ in range(50)]
        for watcher in watchers:
            watcher.initial_metadata()
        event = EventSource("r", "s").log("through", "info")
        started = time.monotonic()
        assert index.runs.Report(iter([pb.ReportRequest(event=event)]), timeout=10).received == 1
        assert {next(watcher).event.log.text for watcher in watchers} == {"through"}
        assert time.monotonic() - started < 5
        assert not any(question.done() for question in waiting)
        for call in [*watchers, *waiting]:
            call.cancel()


def test_an_address_in_use_is_a_clear_error(index, serve_index, store):
    with pytest.raises(ConfigError, match="cannot listen"):
        serve_index(store, address=index.address)
