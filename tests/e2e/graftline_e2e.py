"""What the end-to-end tests need of a cluster: `kubectl`, `helm`, `argo`, and patience."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from graftline.store import Manifests, RunRecords, Store
from graftline.store.names import checkpoints_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graftline.v1.manifest_pb2 import Manifest

REPOSITORY = Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "helm" / "graftline"
REGISTRY = os.environ.get("REGISTRY", "localhost")
TAG = os.environ.get("TAG", "dev")
ENDED = ("Succeeded", "Failed", "Error")

DENY_ALL = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-all}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
"""


class CommandFailed(Exception):
    """A command ended with another exit code than 0."""


def call(*words: str, stdin: str = "", check: bool = True, timeout_s: float = 300) -> str:
    """Run a program and give what it printed.

    Raises:
        CommandFailed: It failed.
    """
    done = subprocess.run(
        words, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    if check and done.returncode:
        raise CommandFailed(f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def program(name: str) -> str:
    """Give the path of a program of this virtual environment, or of the path."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise CommandFailed(f"there is no program '{name}'")
    return found


def missing() -> str:
    """Say what there is not of a usable cluster; nothing if all is there."""
    for name in ("kubectl", "argo"):
        if shutil.which(name) is None:
            return f"there is no '{name}' on the path"
    try:
        call("kubectl", "get", "crd", "workflowtemplates.argoproj.io", timeout_s=20)
    except (CommandFailed, subprocess.TimeoutExpired) as error:
        return f"no cluster with Argo Workflows answers: {' '.join(str(error).split())[:300]}"
    return ""


@dataclass(frozen=True)
class SeenPod:
    """A pod of a run, as it was last seen.

    Args:
        name: Its name.
        step: The workflow's task.
        node: Where it ran.
        image_id: What the node says of main's image.
        phase: Its phase.
    """

    name: str
    step: str
    node: str
    image_id: str
    phase: str


class LivePod(NamedTuple):
    """A pod that runs.

    Args:
        name: Its name.
        uid: What no other pod ever has.
    """

    name: str
    uid: str


class PodWatch:
    """Notes the pods of one workflow while it runs; they may be gone when it ends."""

    def __init__(self, installation: Installation, workflow: str) -> None:
        """Start looking."""
        self._installation = installation
        self._workflow = workflow
        self._ended = threading.Event()
        self.pods: dict[str, SeenPod] = {}
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look once more, and stop."""
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        last = False
        while not last:
            last = self._ended.wait(2.0)
            with contextlib.suppress(CommandFailed, ValueError, subprocess.TimeoutExpired):
                selector = f"workflows.argoproj.io/workflow={self._workflow}"
                for pod in self._installation.objects("pods", "-l", selector):
                    self._note(pod)

    def _note(self, pod: dict[str, Any]) -> None:
        name = pod["metadata"]["name"]
        statuses = pod["status"].get("containerStatuses", [])
        main = next((item for item in statuses if item["name"] == "main"), {})
        before = self.pods.get(name)
        node_name = pod["metadata"]["annotations"]["workflows.argoproj.io/node-name"]
        self.pods[name] = SeenPod(
            name=name,
            step=_task(node_name.removeprefix(f"{self._workflow}.")),
            node=pod["spec"].get("nodeName", ""),
            image_id=main.get("imageID") or (before.image_id if before else ""),
            phase=pod["status"]["phase"],
        )


@dataclass
class Installation:
    """Graftline in a namespace of its own.

    Args:
        namespace: The namespace.
        values: What `helm install` is given with `--set`.
    """

    namespace: str
    values: Mapping[str, str] = field(default_factory=dict)
    _forward: subprocess.Popen[str] | None = None
    _environment: dict[str, str] = field(default_factory=dict)

    def kubectl(self, *words: str, stdin: str = "", check: bool = True) -> str:
        """Run kubectl in the namespace."""
        return call("kubectl", "-n", self.namespace, *words, stdin=stdin, check=check)

    def objects(self, *words: str) -> list[dict[str, Any]]:
        """Give objects as the API server shows them."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", *words, "-o", "json"))["items"]
        return found

    def install(self) -> None:
        """Make the namespace as strict as a careful team's, and install the chart."""
        labels = "pod-security.kubernetes.io/enforce=restricted"
        call("kubectl", "create", "namespace", self.namespace)
        call("kubectl", "label", "namespace", self.namespace, labels)
        self.kubectl("apply", "-f", "-", stdin=DENY_ALL)
        self.helm("install")

    def helm(self, action: str, **more: str) -> None:
        """`helm install` or `helm upgrade` with this installation's values and some more."""
        values = {"images.registry": REGISTRY, "images.tag": TAG, **self.values, **more}
        sets = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
        chart = [program("helm"), action, "graftline", str(CHART), "-n", self.namespace]
        call(*chart, *sets, "--wait", "--timeout", "180s")

    def remove(self) -> None:
        """Remove the namespace and all in it."""
        if self._forward is not None:
            self._forward.terminate()
            self._forward.wait()
        call("kubectl", "delete", "namespace", self.namespace, "--wait=false", check=False)

    def submit(self, recipe: str = "json-extraction", **parameters: object) -> str:
        """Submit a recipe's template with argo, and give the workflow's name.

        Underscores of names stay as they are; `image__curate` is `image-curate`.
        """
        given = [
            word
            for name, value in parameters.items()
            for word in ("-p", f"{name.replace('__', '-')}={value}")
        ]
        template = f"workflowtemplate/graftline-{recipe}"
        words = ["argo", "submit", "-n", self.namespace, "--from", template, *given, "-o", "name"]
        return call(*words).strip()

    def workflow(self, name: str) -> dict[str, Any]:
        """Give a workflow."""
        found: dict[str, Any] = json.loads(self.kubectl("get", "workflow", name, "-o", "json"))
        return found

    def wait(self, name: str, timeout_s: float = 900) -> Run:
        """Wait for a workflow's end, noting its pods."""
        watch = PodWatch(self, name)
        try:
            self.until(lambda: phase_of(self.workflow(name)) in ENDED, timeout_s, f"{name} ends")
        finally:
            watch.close()
        return Run(name, self.workflow(name), watch.pods)

    def run(self, recipe: str = "json-extraction", **parameters: object) -> Run:
        """Submit and wait."""
        return self.wait(self.submit(recipe, **parameters))

    def until(self, condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
        """Wait until something is so, and give it.

        Raises:
            AssertionError: It does not happen in time.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with contextlib.suppress(CommandFailed, KeyError):
                if found := condition():
                    return found
            time.sleep(1.0)
        raise AssertionError(f"not within {timeout_s:.0f} s: {what}\n{self.kubectl('get', 'pods')}")

    def running_pod(self, workflow: str, step: str, besides: LivePod | None = None) -> LivePod:
        """Wait until a step's pod runs, and give it.

        Args:
            workflow: The workflow.
            step: The step.
            besides: A pod that is not meant. Argo may give the next one the same name.
        """

        def look() -> LivePod | None:
            selector = f"workflows.argoproj.io/workflow={workflow},graftline.dev/step={step}"
            for pod in self.objects("pods", "-l", selector):
                found = LivePod(str(pod["metadata"]["name"]), str(pod["metadata"]["uid"]))
                gone = "deletionTimestamp" in pod["metadata"] or found == besides
                if pod["status"]["phase"] == "Running" and not gone:
                    return found
            return None

        found: LivePod = self.until(look, 600, f"a pod of {step} runs")
        return found

    def kill(self, pod: LivePod) -> None:
        """Delete a pod by force, as if it had never been."""
        self.kubectl("delete", "pod", pod.name, "--grace-period=0", "--force")

    def wait_for_checkpoint(self, run: str, step: str) -> None:
        """Wait until a running step has saved a checkpoint."""
        record = self.until(lambda: RunRecords(self.store).load(run), 60, f"a record of {run}")
        key = next(item.key for item in record.steps if item.step == step)
        names = checkpoints_prefix(key)
        self.until(lambda: list(self.store.list(names)), 300, f"{step} saves a checkpoint")

    @property
    def environment(self) -> dict[str, str]:
        """`AWS_*` settings with which this machine reaches the store in the cluster."""
        if self._forward is not None and self._forward.poll() is not None:
            self._environment = {}
        if not self._environment:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            words = ["kubectl", "-n", self.namespace, "port-forward", "svc/graftline-store"]
            self._forward = subprocess.Popen(
                [*words, f"{port}:8333"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            secret = self.kubectl("get", "secret", "graftline-store", "-o", "json")
            data = json.loads(secret)["data"]
            self._environment = {
                "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": _plain(data["AWS_ACCESS_KEY_ID"]),
                "AWS_SECRET_ACCESS_KEY": _plain(data["AWS_SECRET_ACCESS_KEY"]),
                "AWS_REGION": "us-east-1",
            }
            self.until(lambda: _listens(port), 30, "the store's port is forwarded")
        return self._environment

    @property
    def store(self) -> Store:
        """The installation's store, from here."""
        return Store.open("s3://graftline", self.environment)

    def manifests(self, run: str) -> dict[str, Manifest]:
        """Give the manifest of every step of a run."""
        record = RunRecords(self.store).load(run)
        assert record is not None, f"no record of run {run}"
        manifests = Manifests(self.store)
        found = {step.step: manifests.read(step.key) for step in record.steps}
        return {name: manifest for name, manifest in found.items() if manifest is not None}


@dataclass(frozen=True)
class Run:
    """A workflow that has ended.

    Args:
        name: Its name.
        workflow: It, as the API server shows it.
        pods: Its pods by name.
    """

    name: str
    workflow: dict[str, Any]
    pods: Mapping[str, SeenPod]

    @property
    def phase(self) -> str:
        """Succeeded, Failed or Error."""
        return phase_of(self.workflow)

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """Its pods' nodes in the workflow's status."""
        nodes = self.workflow["status"]["nodes"].values()
        return [node for node in nodes if node["type"] == "Pod"]

    def table(self, manifests: Mapping[str, Manifest]) -> str:
        """Lay out its pods: step, node, image, and what the step's manifest says it took."""
        lines = [f"{'pod of':10} {'node':8} {'image':24} {'peak MiB':>8} {'seconds':>8}"]
        for pod in sorted(self.pods.values(), key=lambda pod: pod.step):
            image = pod.image_id.rpartition("@")[2].removeprefix("sha256:")[:12]
            line = f"{pod.step:10} {pod.node:8} {'sha256:' + image:24}"
            if manifest := manifests.get(pod.step):
                mebibytes = manifest.cost.peak_memory_bytes / 2**20
                line += f" {mebibytes:8.0f} {manifest.cost.wall_seconds:8.1f}"
            lines.append(line)
        return "\n".join(lines)

    @property
    def steps(self) -> list[str]:
        """The tasks that had a pod, each as often as it had one."""
        return sorted(self.task(node) for node in self.nodes)

    def task(self, node: dict[str, Any]) -> str:
        """Give the task that a pod's node belongs to."""
        return _task(str(node["displayName"]).removeprefix(f"{self.name}."))

    def message(self, task: str) -> str:
        """What Argo says of a task's pod."""
        found = [node for node in self.nodes if self.task(node) == task]
        return str(found[-1].get("message", "")) if found else ""

    def explain(self) -> str:
        """Everything that helps to understand a failure."""
        lines = [f"{self.name}: {self.phase} {self.workflow['status'].get('message', '')}"]
        for node in self.nodes:
            lines.append(f"  {node['displayName']}: {node['phase']} {node.get('message', '')}")
        return "\n".join(lines)


def phase_of(workflow: dict[str, Any]) -> str:
    """Give a workflow's phase; empty before it has one."""
    return str(workflow.get("status", {}).get("phase", ""))


def digests(manifests: Mapping[str, Manifest]) -> dict[str, dict[str, str]]:
    """Give keys and output digests by step: what two runs of the same recipe must share."""
    return {
        step: {"key": manifest.key, **{o.port: o.artifact.digest for o in manifest.outputs}}
        for step, manifest in manifests.items()
    }


def trained_at_home(folder: Path, overrides: str) -> str:
    """Train undisturbed on this machine, profile `tiny`; give the adapter's digest.

    Args:
        folder: An empty home folder.
        overrides: As the template's parameter takes them.
    """
    graftline = [sys.executable, "-m", "graftline_workflows.cli.main"]
    sets = [word for override in overrides.split() for word in ("--set", override)]
    asked = ["json-extraction", "--profile", "tiny", *sets, "--until", "adapter"]
    call(*graftline, "run", *asked, "--home", str(folder), timeout_s=600)
    shown = json.loads(call(*graftline, "show", "adapter", "--json", "--home", str(folder)))
    outputs = shown["outputs"]
    return next(str(item["artifact"]["digest"]) for item in outputs if item["port"] == "adapter")


def _task(name: str) -> str:
    """Give the task of a node: without the number of the attempt; the exit handler is the gate."""
    task = name.partition("(")[0]
    return "gate" if task == "onExit" else task


def _plain(text: str) -> str:
    import base64

    return base64.b64decode(text).decode()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
