"""`docker` or `podman`, as this package uses them."""

from __future__ import annotations

import ipaddress
import json
import shutil
import signal
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.errors import ConfigError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROGRAMS = ("docker", "podman")
LABEL = "graftline.dev/conformance"
_STDERR = 2
_TIMEOUT_S = 60.0
_PULL_TIMEOUT_S = 3600.0


class ContainerCliFailed(TransientError):
    """docker or podman does not do what it was asked: no fault of an image."""


@dataclass(frozen=True)
class ImageConfig:
    """What an image says of itself.

    Args:
        user: The user that it runs as: a name, a number, `user:group`, or empty for root.
        environment: Its variables.
        labels: Its labels.
    """

    user: str
    environment: Mapping[str, str]
    labels: Mapping[str, str]


@dataclass(frozen=True)
class ContainerCli:
    """A program that starts containers.

    Args:
        program: Its name or path.
        is_podman: Whether podman answers to it, which a program called `docker` may be.
    """

    program: str
    is_podman: bool

    @classmethod
    def find(cls, name: str = "") -> ContainerCli:
        """Find the one that is asked for, or the first that works.

        Raises:
            ConfigError: There is none; the message says of each why.
        """
        reasons = []
        for program in (name,) if name else PROGRAMS:
            if shutil.which(program) is None:
                reasons.append(f"{program} is not installed")
                continue
            done = _call([program, "version"])
            if done.returncode == 0:
                return cls(program, "podman" in done.stdout.lower())
            reasons.append(f"{program} does not work: {_last_line(done.stderr)}")
        raise ConfigError(
            f"images need {' or '.join((name,) if name else PROGRAMS)}: {'; '.join(reasons)}",
            "install one, start its service, or choose with --container-cli",
        )

    def image_config(self, reference: str) -> ImageConfig:
        """Look at an image, pulled if it is not here.

        Raises:
            ConfigError: It cannot be pulled.
        """
        inspect = [self.program, "image", "inspect", reference]
        done = _call(inspect)
        if done.returncode:
            self._pull(reference)
            done = _call(inspect)
        try:
            config = json.loads(done.stdout)[0]["Config"]
            pairs = (text.partition("=") for text in config.get("Env") or [])
            return ImageConfig(
                user=str(config.get("User") or ""),
                environment={name: value for name, _, value in pairs},
                labels=dict(config.get("Labels") or {}),
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            said = _last_line(done.stderr) or "it says nothing that can be read"
            raise ConfigError(f"{self.program} cannot inspect image {reference}: {said}") from error

    def create_network(self, name: str, owner: str, *, internal: bool) -> str:
        """Create a bridge network; give the address that this machine has in it.

        Args:
            name: The network's.
            owner: The value of its label.
            internal: Whether nothing leads out of it.

        Raises:
            ContainerCliFailed: It cannot be created.
        """
        flags = ["--internal"] if internal else []
        self._ask("network", "create", "--label", f"{LABEL}={owner}", *flags, name)
        found = json.loads(self._ask("network", "inspect", name))[0]
        for subnet, gateway in _subnets(found):
            network = ipaddress.ip_network(subnet)
            if network.version == 4:
                return gateway.partition("/")[0] or str(next(network.hosts()))
        raise ContainerCliFailed(f"{self.program} gave network {name} no IPv4 subnet")

    def signal(self, container: str) -> bool:
        """Send SIGTERM to a container; False if it does not run."""
        return _call([self.program, "kill", "--signal", "TERM", container]).returncode == 0

    def remove_container(self, name: str) -> None:
        """Kill and remove a container, if it is there."""
        _call([self.program, "rm", "--force", "--volumes", name])

    def remove_all(self, owner: str) -> None:
        """Remove all containers of an owner, then its networks.

        Raises:
            ContainerCliFailed: Something stays; the message says why.
        """
        mine = ("--quiet", "--filter", f"label={LABEL}={owner}")
        containers = self._ask("ps", "--all", *mine).split()
        if containers:
            self._ask("rm", "--force", "--volumes", *containers)
        networks = self._ask("network", "ls", *mine).split()
        if networks:
            self._ask("network", "rm", *networks)

    def _pull(self, reference: str) -> None:
        done = _call([self.program, "pull", reference], show=True, timeout_s=_PULL_TIMEOUT_S)
        if done.returncode:
            raise ConfigError(
                f"image {reference} is not here and cannot be pulled: {_last_line(done.stderr)}",
                "check the name, or log in to its registry",
            )

    def _ask(self, *arguments: str) -> str:
        done = _call([self.program, *arguments])
        if done.returncode:
            raise ContainerCliFailed(
                f"'{self.program} {' '.join(arguments)}' failed: {_last_line(done.stderr)}"
            )
        return done.stdout


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM for the short while that tidying up takes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _call(
    command: list[str], *, show: bool = False, timeout_s: float = _TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """Call it, in a session of its own: a Ctrl-C must not cut tidying up short."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=_STDERR if show else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _subnets(network: dict[str, Any]) -> list[tuple[str, str]]:
    """Read (subnet, gateway) as podman or as docker writes them."""
    found = network.get("subnets") or (network.get("IPAM") or {}).get("Config") or []
    return [
        (
            str(item.get("subnet") or item.get("Subnet")),
            str(item.get("gateway") or item.get("Gateway") or ""),
        )
        for item in found
    ]


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"
