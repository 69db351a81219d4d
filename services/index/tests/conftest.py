"""A store with steps in it, and the index over it."""

import asyncio
import threading

import grpc
import pytest

from graftline.canonical import sha256_bytes
from graftline.events.hub import Limits
from graftline.ports import kind_value
from graftline.store import Manifests, describe_folder
from graftline.v1 import index_service_pb2_grpc, manifest_pb2
from graftline_index.server import IndexServer


def key_of(name):
    """A step's key, made of its name: tests say which step, not which digits."""
    return sha256_bytes(name.encode())


@pytest.fixture
def publish(store, tmp_path):
    """Commit a step as its runner would; give its manifest and the digest."""

    def do(name, stage="curate", inputs=(), into=None):
        folder = tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "rows.jsonl").write_text(f'{{"made by": "{name}"}}\n')
        manifest = manifest_pb2.Manifest(
            contract_version="1", key=key_of(name), step=name, stage=stage
        )
        artifact = describe_folder(folder, kind_value("examples"), rows=1)
        manifest.outputs.add(port="examples", artifact=artifact)
        for parent in inputs:
            manifest.inputs.add(port="in", key=key_of(parent), output="examples", step=parent)
        manifests = Manifests(into or store)
        manifests.upload(manifest.key, artifact, folder)
        return manifests.commit(manifest)

    return do


class RunningIndex:
    """An index on an event loop and a thread of its own."""

    def __init__(self, store, limits=None, address="127.0.0.1:0"):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        try:
            self._server, self.port = self._do(self._start(store, address, limits))
        except BaseException:
            self._end()
            raise
        self.address = f"127.0.0.1:{self.port}"
        self.channel = grpc.insecure_channel(self.address)
        self.manifests = index_service_pb2_grpc.ManifestsServiceStub(self.channel)
        self.runs = index_service_pb2_grpc.RunsServiceStub(self.channel)

    def begin_to_stop(self, grace_s=0.0):
        """Ask for a stop; give what is done when it is over."""
        return asyncio.run_coroutine_threadsafe(self._server.stop(grace_s), self._loop)

    def stop(self):
        if not self._loop.is_closed():
            self.channel.close()
            self._do(self._server.stop(0.0))
            self._end()

    async def _start(self, store, address, limits):
        server = IndexServer(store, address, limits or Limits())
        return server, await server.start()

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def _end(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()


@pytest.fixture
def serve_index():
    """Serve indexes over stores; all are stopped in the end."""
    running = []

    def start(store, limits=None, address="127.0.0.1:0"):
        running.append(RunningIndex(store, limits, address))
        return running[-1]

    yield start
    for index in running:
        index.stop()


@pytest.fixture
def index(serve_index, store):
    return serve_index(store)
