"""What a step of ours costs in a cluster above a bare Argo step of the same image.

    python tests/bench/bench_cluster.py [--rounds 7] [--stages curate,train] [--json FILE]

Takes the cluster that `kubectl` reaches, with the images loaded, as `make e2e` does; without one it
says so and measures nothing. Both pods are made of the same template, with the same image, patch,
limits and security; the bare one's command is `true`. Ours has nothing to do: its step is committed
already, which it finds out by asking the store. Seconds are those from `kubectl create` to the
workflow's end, by turns, one workflow at a time.
"""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from graftline_e2e import Installation, call, missing  # noqa: E402 - found by the line above

LIMIT_S = 2.0
STEP_OF = {"model": "model", "curate": "curate", "train": "adapter", "evaluate": "baseline"}


class Rounds:
    """Makes and times one-pod workflows.

    Args:
        installation: Where; a run of profile `tiny` has ended there.
        run: That run.
    """

    def __init__(self, installation: Installation, run: str) -> None:
        """Look at the installation's settings."""
        self._installation = installation
        self._run = run
        settings = installation.kubectl("get", "cm", "graftline-settings", "-o", "json")
        self._settings: dict[str, str] = json.loads(settings)["data"]
        self._recipe = self._template("graftline-json-extraction")["spec"]

    def seconds(self, stage: str, *, bare: bool) -> float:
        """Run one pod and give its workflow's seconds."""
        body = json.dumps(self._workflow(stage, bare=bare))
        began = time.perf_counter()
        name = self._installation.kubectl("create", "-f", "-", "-o", "name", stdin=body).strip()
        ended = "--for=jsonpath={.status.phase}=Succeeded"
        self._installation.kubectl("wait", name, ended, "--timeout=180s")
        return time.perf_counter() - began

    def _workflow(self, stage: str, *, bare: bool) -> dict[str, Any]:
        (template,) = self._template(f"graftline-stage-{stage}")["spec"]["templates"]
        for name in ("retryStrategy", "synchronization"):
            template.pop(name, None)
        container = template["container"]
        if bare:
            container["command"], container["args"] = ["true"], []
        else:
            container["args"].remove("--attempt={{retries}}")
        given = {
            "image": self._settings[f"image-{stage}"],
            "run": self._run,
            "step": STEP_OF[stage],
            "pod-patch": self._settings[f"pod-patch-{stage}"],
            "timeout": "180s",
            "queue": "",
        }
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"generateName": f"bench-{'bare' if bare else 'ours'}-"},
            "spec": {
                "entrypoint": template["name"],
                "podSpecPatch": self._recipe["podSpecPatch"],
                "templates": [template],
                "arguments": {
                    "parameters": [{"name": key, "value": value} for key, value in given.items()]
                },
            },
        }

    def _template(self, name: str) -> dict[str, Any]:
        text = self._installation.kubectl("get", "workflowtemplate", name, "-o", "json")
        found: dict[str, Any] = json.loads(text)
        return found


def main() -> int:
    """Measure; exit code 1 if a step costs more than the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--stages", default="curate,train", help="names, by commas")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    if lacks := missing():
        print(f"not measured: {lacks}")
        return 0
    installation = Installation(f"graftline-bench-{secrets.token_hex(3)}")
    figures = {}
    try:
        installation.install()
        first = installation.run(profile="tiny")
        if first.phase != "Succeeded":
            print(first.explain(), file=sys.stderr)
            return 70
        rounds = Rounds(installation, first.name)
        for stage in options.stages.split(","):
            bare, ours = [], []
            for _ in range(options.rounds):
                bare.append(rounds.seconds(stage, bare=True))
                ours.append(rounds.seconds(stage, bare=False))
            middle = statistics.median(bare), statistics.median(ours)
            figures[stage] = {"bare_s": bare, "ours_s": ours, "above_s": middle[1] - middle[0]}
            print(
                f"{stage}: bare {middle[0]:.2f} s, ours {middle[1]:.2f} s,"
                f" above {middle[1] - middle[0]:.2f} s (limit {LIMIT_S:.0f} s)",
                flush=True,
            )
    finally:
        installation.remove()
    nodes = call("kubectl", "get", "nodes", "-o", "name").split()
    if options.json:
        options.json.write_text(json.dumps({"nodes": len(nodes), "stages": figures}, indent=2))
    return int(any(figure["above_s"] > LIMIT_S for figure in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
