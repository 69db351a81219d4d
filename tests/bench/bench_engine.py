"""What the engine adds: a step that does nothing, a cached run, `--help`, `plan`.

    python tests/bench/bench_engine.py [--json FILE] [--repeat 5]

Prints a table, and the same as JSON on request. Times are medians of whole commands, from their
start to their exit, embedded S3 server included; on a busy machine the CPU seconds say more.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRIALS = ROOT / "workflows" / "tests" / "support" / "graftline_trials.py"
STAGES = ROOT / "workflows" / "tests" / "support" / "stages"
CHAIN_STEPS = 5
TARGETS_S = {"step that does nothing": 1.5, "cached run": 2.0, "--help": 0.3}

PARTS = {
    "python itself": "pass",
    "+ contract, events, runner": "import graftline.runner.main, graftline.events.reporter,"
    " graftline.runner.execute",
    "+ the stage's declaration": "import graftline.runner.execute, graftline_trial.descriptor",
    "+ an S3 client": "import graftline.runner.execute, graftline_trial.descriptor;"
    " from graftline.store import Store;"
    " Store.open('s3://a/b', {'AWS_ENDPOINT_URL': 'http://127.0.0.1:1',"
    " 'AWS_ACCESS_KEY_ID': 'a', 'AWS_SECRET_ACCESS_KEY': 'b'})",
    "+ gRPC": "import graftline.runner.execute, graftline_trial.descriptor, grpc,"
    " graftline.v1.index_service_pb2_grpc;"
    " from graftline.store import Store;"
    " Store.open('s3://a/b', {'AWS_ENDPOINT_URL': 'http://127.0.0.1:1',"
    " 'AWS_ACCESS_KEY_ID': 'a', 'AWS_SECRET_ACCESS_KEY': 'b'})",
}


@dataclass(frozen=True)
class Took:
    """Seconds of a whole command: on the wall, and of CPU in it and all that it waited for."""

    wall: float
    cpu: float


def seconds(command: list[str]) -> Took:
    """Time one command; it must end well."""
    environment = {**os.environ, "PYTHONPATH": str(STAGES)}
    began, cpu = time.perf_counter(), cpu_of_children()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    took = Took(time.perf_counter() - began, cpu_of_children() - cpu)
    if done.returncode:
        sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return took


def cpu_of_children() -> float:
    """CPU seconds of all processes that this one has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def middle(times: list[Took]) -> Took:
    """Take the medians."""
    wall = statistics.median(took.wall for took in times)
    return Took(wall, statistics.median(took.cpu for took in times))


def median(command: list[str], repeat: int) -> Took:
    """Time a command several times, after once to warm the caches."""
    seconds(command)
    return middle([seconds(command) for _ in range(repeat)])


def chain(path: Path, steps: int) -> Path:
    """Write a recipe of so many steps, one after the other, that do nothing."""
    lines = ["recipe: chain", "parameters:", "  word: {type: string, default: x}", "steps:"]
    for number in range(steps):
        lines += [f"  step{number}:", "    uses: trial", "    with: {word: '${word}', count: 1}"]
        if number:
            lines.append(f"    from: {{parts: step{number - 1}}}")
    path.write_text("\n".join(lines) + "\n")
    return path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    graftline = [sys.executable, str(TRIALS)]
    figures: dict[str, Took] = {}
    with tempfile.TemporaryDirectory(prefix="graftline-bench-") as folder:
        work = Path(folder)
        recipe = str(chain(work / "chain.yaml", CHAIN_STEPS))
        home = ["--home", str(work / "home")]
        plain = [sys.executable, "-m", "graftline_workflows.cli.main"]
        figures["--help"] = median([*plain, "--help"], options.repeat)
        figures["plan"] = median([*graftline, "plan", recipe, *home], options.repeat)
        seconds([*graftline, "run", recipe, *home])
        figures["cached run"] = median([*graftline, "run", recipe, *home], options.repeat)
        fresh = middle(
            [
                seconds([*graftline, "run", recipe, "--set", f"word=w{number}", *home])
                for number in range(options.repeat)
            ]
        )
        figures[f"run of {CHAIN_STEPS} steps in a row"] = fresh
        cached = figures["cached run"]
        figures["step that does nothing"] = Took(
            (fresh.wall - cached.wall) / CHAIN_STEPS, (fresh.cpu - cached.cpu) / CHAIN_STEPS
        )
    parts = {
        name: median([sys.executable, "-c", code], options.repeat) for name, code in PARTS.items()
    }
    print(f"{'':<32}    wall      CPU   (1-minute load {os.getloadavg()[0]:.1f})")
    for name, took in figures.items():
        target = f"  target {TARGETS_S[name]:.1f} s" if name in TARGETS_S else ""
        print(f"{name:<32} {took.wall:5.2f} s  {took.cpu:5.2f} s{target}")
    print("\nwhat a step's process is made of (so far, in all):")
    for name, took in parts.items():
        print(f"  {name:<30} {took.wall:5.2f} s  {took.cpu:5.2f} s")
    if options.json is not None:
        found = {"figures": figures, "parts": parts}
        plain = {group: {n: vars(t) for n, t in times.items()} for group, times in found.items()}
        options.json.write_text(json.dumps({**plain, "load": os.getloadavg()[0]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
