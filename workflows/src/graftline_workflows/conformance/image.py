"""The stage under test, as an image: run as a cluster runs it, in a container of docker or podman.

Each run is told its run and step alone and reads the request from the store, as in Argo. It gets
the store's address and credentials, a writable /tmp, and nothing else.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import ExitStack, suppress
from enum import Enum
from typing import TYPE_CHECKING

from graftline.errors import EXIT_TRANSIENT
from graftline.store import RunRecords
from graftline_workflows.conformance.container_cli import (
    LABEL,
    ContainerCliFailed,
    uninterrupted,
)
from graftline_workflows.conformance.relay import StoreRelay
from graftline_workflows.conformance.subject import Outcome, Started, Subject

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from graftline.store import Store
    from graftline.v1 import stage_pb2
    from graftline_workflows.conformance.container_cli import ContainerCli

STAGE_COMMAND = "graftline-stage"
USER = 65532
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
_EXIT_ENGINE = 125
_SIGNAL_TIMEOUT_S = 30.0
_SIGNAL_PAUSE_S = 0.05
_REMOVE_TIMEOUT_S = 30.0
_REMOVE_PAUSE_S = 0.3


class Limit(Enum):
    """What is taken from a container, as Pod Security `restricted` and our policies do."""

    USER = "user"
    WRITABLE_ROOT = "writable-root"
    CAPABILITIES = "capabilities"
    NETWORK = "network"


ALL_LIMITS = frozenset(Limit)


class ContainerRun(Started):
    """A container that was started by a CLI which waits for it.

    Args:
        cli: docker or podman.
        name: The container's.
        arguments: What comes after `run`.
        environment: The CLI's variables, from which the container's are taken by name.
        keep_stdout: Whether its stdout is wanted.
    """

    def __init__(
        self,
        cli: ContainerCli,
        name: str,
        arguments: list[str],
        environment: Mapping[str, str],
        *,
        keep_stdout: bool = False,
    ) -> None:
        """Start it."""
        self._cli = cli
        self._name = name
        command = [cli.program, "run", *arguments]
        super().__init__(command, environment, keep_stdout=keep_stdout)

    def terminate(self) -> None:
        """Send SIGTERM as soon as the container runs."""
        until = time.monotonic() + _SIGNAL_TIMEOUT_S
        while not self._cli.signal(self._name) and time.monotonic() < until:
            if self.ended_within(_SIGNAL_PAUSE_S):
                break

    def kill(self) -> None:
        """Remove the container, also one that the CLI is still about to make."""
        with uninterrupted():
            until = time.monotonic() + _REMOVE_TIMEOUT_S
            while time.monotonic() < until:
                self._cli.remove_container(self._name)
                if self.ended_within(_REMOVE_PAUSE_S):
                    break
            else:
                super().kill()
            self._cli.remove_container(self._name)


class ImageSubject(Subject):
    """A stage as an image; what it needs of docker or podman is there while it is entered.

    Args:
        reference: The image's.
        cli: docker or podman.
        store: Where requests are written.
        environment: The store's `AWS_*` settings, with its port on loopback.
        sources: Local files or folders by their paths in the container.
        timeout_s: How long one run may take.
    """

    def __init__(
        self,
        reference: str,
        cli: ContainerCli,
        store: Store,
        environment: Mapping[str, str],
        sources: Mapping[str, Path],
        timeout_s: float,
    ) -> None:
        """Pull the image if it is not here.

        Raises:
            ConfigError: It cannot be pulled.
        """
        super().__init__(f"image:{reference}", reference, timeout_s)
        self.cli = cli
        self.config = cli.image_config(reference)
        self._records = RunRecords(store)
        self._store_uri = store.uri
        self._environment = environment
        self._sources = sources
        self._owner = secrets.token_hex(4)
        self._works = False
        self._containers = 0
        self._networks: dict[bool, tuple[str, StoreRelay]] = {}
        self._relays = ExitStack()

    def __enter__(self) -> ImageSubject:
        """Make the network in which there is nothing but the store.

        Raises:
            GraftlineError: It cannot be made, or this machine has no place in it.
        """
        try:
            self._network(internal=True)
        except BaseException as error:
            self.__exit__(error)
            raise
        return self

    def __exit__(self, kind: object = None, *_: object) -> None:
        """Remove containers and networks.

        Raises:
            ContainerCliFailed: They cannot be removed, and that is the only thing that went wrong.
        """
        with uninterrupted(), suppress(*([ContainerCliFailed] if kind else [])):
            self._relays.close()
            self.cli.remove_all(self._owner)

    def run(
        self, request: stage_pb2.StageRequest, limits: frozenset[Limit] = ALL_LIMITS
    ) -> Outcome:
        """Run to the end.

        Args:
            request: What is asked.
            limits: What is taken from the container.

        Raises:
            ContainerCliFailed: No container can be started, or none can reach the store.
        """
        with self._start_run(request, limits) as started:
            outcome = self._checked(started.finish(self._timeout_s))
        _, relay = self._network(internal=Limit.NETWORK in limits)
        if outcome.exit_code == EXIT_TRANSIENT and not relay.connections:
            raise ContainerCliFailed(
                f"no container of {self.cli.program} can reach the store at {relay.endpoint} on"
                f" this machine: {outcome.cause}",
                "it has to run as root on this very machine (no virtual one), and the firewall"
                " has to let its bridge networks in",
            )
        return outcome

    def call_describe(self) -> Outcome:
        """Call `describe`, whatever comes of it.

        Raises:
            ContainerCliFailed: No container can be started.
        """
        return self._checked(super().call_describe())

    def _start_describe(self) -> Started:
        return self._start(["--network", "none"], ["describe"], {}, ALL_LIMITS)

    def _start_run(
        self, request: stage_pb2.StageRequest, limits: frozenset[Limit] = ALL_LIMITS
    ) -> Started:
        self._records.save_request(request)
        network, relay = self._network(internal=Limit.NETWORK in limits)
        variables = {
            **self._environment,
            **dict.fromkeys(_ENDPOINTS, relay.endpoint),
            "GRAFTLINE_STORE": self._store_uri,
            "GRAFTLINE_IMAGE": self.image,
            "GRAFTLINE_EVENTS": "",
            # docker and podman hand proxies of their user on to containers.
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "*"),
        }
        flags = ["--network", network]
        for inside, path in self._sources.items():
            flags += ["--mount", f"type=bind,source={path},target={inside},readonly"]
        asked = ["run", "--run", request.run, "--step", request.step, "--rank", "0"]
        asked += ["--ranks", "1", "--attempt", "0"]
        return self._start(flags, asked, variables, limits)

    def _start(
        self,
        flags: list[str],
        arguments: list[str],
        variables: Mapping[str, str],
        limits: frozenset[Limit],
    ) -> ContainerRun:
        self._containers += 1
        name = f"graftline-conformance-{self._owner}-{self._containers}"
        words = ["--rm", "--pull=never", "--name", name, "--label", f"{LABEL}={self._owner}"]
        for limit in Limit:
            words += self._flags(limit) if limit in limits else []
        words += ["--tmpfs", "/tmp:rw,exec,mode=1777", "--env", "HOME=/tmp", *flags]
        # By name alone: credentials have no business in a process list.
        for variable in variables:
            words += ["--env", variable]
        words += ["--entrypoint", STAGE_COMMAND, self.image, *arguments]
        environment = {**os.environ, **variables}
        return ContainerRun(self.cli, name, words, environment, keep_stdout=not variables)

    def _flags(self, limit: Limit) -> list[str]:
        if limit is Limit.USER:
            return ["--user", f"{USER}:{USER}"]
        if limit is Limit.WRITABLE_ROOT:
            # podman would give writable /run and /var/tmp, which Kubernetes does not.
            return ["--read-only", *(["--read-only-tmpfs=false"] if self.cli.is_podman else [])]
        if limit is Limit.CAPABILITIES:
            return ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        return []

    def _network(self, *, internal: bool) -> tuple[str, StoreRelay]:
        if internal not in self._networks:
            name = f"graftline-conformance-{self._owner}-{'closed' if internal else 'open'}"
            host = self.cli.create_network(name, self._owner, internal=internal)
            port = int(self._environment[_ENDPOINTS[0]].rpartition(":")[2])
            relay = self._relays.enter_context(StoreRelay(host, port))
            self._networks[internal] = (name, relay)
        return self._networks[internal]

    def _checked(self, outcome: Outcome) -> Outcome:
        """Tell an engine that can start nothing from an image that it cannot start."""
        if outcome.exit_code != _EXIT_ENGINE:
            self._works = True
        elif not self._works:
            raise ContainerCliFailed(
                f"{self.cli.program} cannot start a container: {outcome.cause}"
            )
        return outcome
