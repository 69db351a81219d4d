"""The embedded store, started just as its pod starts it, but for folders and ports."""

import base64
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3
import grpc
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from graftline.store import Store
from graftline.store.server import are_free


def containers_of(rendered):
    [store] = rendered.of_kind("StatefulSet").values()
    return {c["name"]: c for c in store["spec"]["template"]["spec"]["containers"]}


def decoded(secret):
    data = {k: base64.b64decode(v).decode() for k, v in secret["data"].items()}
    return data | secret.get("stringData", {})


class Pod:
    """Both containers as processes."""

    def __init__(self, rendered, folder):
        secrets = rendered.of_kind("Secret")
        self.folder, self.containers = folder, containers_of(rendered)
        self.secret = decoded(secrets["graftline-store"])
        self.mounted = decoded(secrets["graftline-store-gateway"])
        self.processes = []
        first = next(n for n in range(21_000, 30_000, 20) if are_free(range(n, n + 20)))
        parts = ("master", "volume", "filer", "s3", "admin")
        ports = {part: first + 2 * place for place, part in enumerate(parts)}
        self.port, self.filer = first + 12, ports["filer"]
        self.own_flags = [f"-{part}.port={port}" for part, port in ports.items()]
        self.own_flags += [f"-{part}.port.grpc={port + 1}" for part, port in ports.items()]
        self.own_flags += [f"-dir={folder / 'data'}"]
        filer = f"127.0.0.1:{ports['filer']}.{ports['filer'] + 1}"
        self.gateway_flags = [f"-port={self.port}", f"-port.grpc={first + 13}", f"-filer={filer}"]

    def __enter__(self):
        (self.folder / "data").mkdir(exist_ok=True)
        (self.folder / "gateway").mkdir(exist_ok=True)
        # What is mounted at /etc/seaweedfs is looked for in the working folder first.
        for name, text in self.mounted.items():
            path = self.folder / "gateway" / name
            path.write_text(text.replace("/etc/seaweedfs", str(path.parent)))
        self.start("store", self.own_flags)
        self.start("gateway", self.gateway_flags, self.secret)
        self.wait()
        return self

    def start(self, name, flags, extra=None):
        container = self.containers[name]
        home = self.folder / name
        home.mkdir(exist_ok=True)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        # Later flags win over the pod's own.
        words = [*container["command"], *container["args"], *flags]
        assert shutil.which(words[0], path=path)
        environment = {e["name"]: e["value"] for e in container["env"]} | {"PATH": path}
        environment |= {"HOME": str(home), **(extra or {})}
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(words, cwd=home, env=environment, stdout=log, stderr=log)
        self.processes.append(process)

    def wait(self):
        probe = self.containers["gateway"]["readinessProbe"]["httpGet"]
        until = time.monotonic() + 60
        while time.monotonic() < until:
            assert all(process.poll() is None for process in self.processes), self.log()
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                    connection.sendall(f"GET {probe['path']} HTTP/1.0\r\n\r\n".encode())
                    if b" 200 " in connection.recv(100):
                        return
            except OSError:
                pass
            time.sleep(0.1)
        pytest.fail(self.log())

    def log(self):
        return "\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=30)
        self.processes.clear()

    def store(self, **other):
        return Store.open(
            "s3://graftline",
            {
                "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self.port}",
                "AWS_REGION": "us-east-1",
                **self.secret,
                **other,
            },
        )


@pytest.fixture
def pod(render, tmp_path):
    return Pod(render(), tmp_path)


def read_when_ready(store, name):
    """The bucket and its volumes may come some seconds after the gateway."""
    until = time.monotonic() + 30
    while True:
        try:
            return store.get(name)
        except Exception:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def test_the_bucket_is_there_and_writes_are_conditional(pod):
    with pod:
        store = pod.store()
        assert read_when_ready(store, "a") is None
        assert store.put_new("a", b"1" * 500_000) is True
        assert store.put_new("a", b"2") is False
        found = store.get("a")
        assert found is not None
        assert found.data == b"1" * 500_000
        assert store.replace("a", b"3", '"nonsense"') is False
        assert store.replace("a", b"3", found.etag) is True
    # What was acknowledged is there after a restart, for these credentials and no others.
    pod.secret = pod.secret | {"AWS_SECRET_ACCESS_KEY": "another"}
    with pod:
        found = read_when_ready(pod.store(), "a")
        assert found is not None
        assert found.data == b"3"
        for wrong in ({"AWS_ACCESS_KEY_ID": "nobody"}, {"AWS_SECRET_ACCESS_KEY": "before"}):
            with pytest.raises(Exception, match=r"(?i)denied|refused|403|credential|key"):
                pod.store(**wrong).get("a")


def test_nobody_gets_in_without_credentials(pod):
    from botocore import UNSIGNED

    with pod:
        read_when_ready(pod.store(), "a")
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{pod.port}",
            region_name="us-east-1",
            config=Config(signature_version=UNSIGNED, retries={"max_attempts": 0}),
        )
        for call in (
            lambda: client.list_buckets(),
            lambda: client.list_objects_v2(Bucket="graftline"),
            lambda: client.put_object(Bucket="graftline", Key="x", Body=b"x"),
        ):
            with pytest.raises(ClientError) as caught:
                call()
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_nobody_gives_orders_to_the_gateway(pod):
    with pod:
        read_when_ready(pod.store(), "a")
        identity = b"\n\x04evil\x12\x0c\n\x04EVIL\x12\x04EVIL\x1a\x05Admin"
        channel = grpc.insecure_channel(f"127.0.0.1:{pod.port + 1}")
        call = channel.unary_unary("/messaging_pb.SeaweedS3IamCache/PutIdentity")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"\n" + bytes([len(identity)]) + identity, timeout=10)
        channel.close()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(Exception, match=r"(?i)denied|refused|403|credential|key"):
            pod.store(AWS_ACCESS_KEY_ID="EVIL", AWS_SECRET_ACCESS_KEY="EVIL").get("a")


def test_only_the_gateway_listens_beyond_the_pod(pod):
    if not Path("/proc/net/tcp").exists():
        pytest.skip("needs Linux's /proc")
    with pod:
        inodes = {
            os.readlink(f"/proc/{process.pid}/fd/{number}")
            for process in pod.processes
            for number in os.listdir(f"/proc/{process.pid}/fd")
        }
        beyond = set()
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in Path(table).read_text().splitlines()[1:]:
                words = line.split()
                address, port = words[1].rsplit(":", 1)
                if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                    loopback = address in ("0100007F", "0000000000000000FFFF00000100007F")
                    if not loopback:
                        beyond.add(int(port, 16))
        assert beyond <= {pod.port, pod.port + 1}
        assert pod.port in beyond


def test_credentials_are_new_on_every_render_and_may_be_given(render):
    def secrets(values=None):
        return render(values).of_kind("Secret").get("graftline-store")

    assert secrets()["data"] != secrets()["data"]
    assert secrets({"store": {"embedded": {"existingSecret": "mine"}}}) is None
    given = containers_of(render({"store": {"embedded": {"existingSecret": "mine"}}}))
    assert given["gateway"]["envFrom"] == [{"secretRef": {"name": "mine"}}]
    assert "envFrom" not in given["store"]


def test_the_volume(render):
    [store] = render().of_kind("StatefulSet").values()
    [claim] = store["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"] == {"storage": "50Gi"}
    assert "storageClassName" not in claim["spec"]
    [store] = (
        render({"store": {"embedded": {"persistence": {"storageClass": "fast", "size": "1Ti"}}}})
        .of_kind("StatefulSet")
        .values()
    )
    [claim] = store["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"
    assert claim["spec"]["resources"]["requests"] == {"storage": "1Ti"}
