"""A hub that serves, and what speaks to it."""

import grpc
import pytest

from graftline.events.hub import Limits, RunsHub, serve
from graftline.v1 import index_service_pb2_grpc


class Served:
    """A hub with its server, and channels to it."""

    def __init__(self, limits=None, address="127.0.0.1:0"):
        self.hub = RunsHub(limits or Limits())
        self.server, self.port = serve(self.hub, address)
        self.address = f"127.0.0.1:{self.port}"
        self._channels = []

    def stub(self):
        self._channels.append(grpc.insecure_channel(self.address))
        return index_service_pb2_grpc.RunsServiceStub(self._channels[-1])

    def stop(self):
        for channel in self._channels:
            channel.close()
        assert self.server.stop(0).wait(10)


@pytest.fixture
def serve_hub():
    """Serve hubs, on a port of one before if it is named; all are stopped in the end."""
    running = []

    def start(limits=None, port=0):
        running.append(Served(limits, f"127.0.0.1:{port}"))
        return running[-1]

    yield start
    for served in running:
        served.stop()


@pytest.fixture
def served(serve_hub):
    return serve_hub()
