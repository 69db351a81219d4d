"""The store beside plain boto3 and s5cmd: large blobs up and down, on one embedded server.

Ours is a whole step: describe (digest) + upload + commit, then look up + fetch (verified). Theirs
only moves bytes: `upload_file` / `download_file` with boto3's own settings, `s5cmd cp`. Runs of the
three are interleaved; the figures are medians, the ratio is ours by boto3's.

    python tests/bench/bench_store.py [--megabytes 64 256] [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from graftline.store import EmbeddedStore, Manifests, Store, describe_folder
from graftline.v1 import manifest_pb2

Way = tuple[Callable[[], None], Callable[[], None]]
TARGET = 1.05


def ours(store: Store, folder: Path, out: Path) -> Way:
    """Describe, upload and commit; look up and fetch, digests verified."""
    manifests, key = Manifests(store), "b" * 64

    def up() -> None:
        artifact = describe_folder(folder, "bundle")
        manifest = manifest_pb2.Manifest(key=key, step="bench")
        manifest.outputs.add(port="bundle", artifact=artifact)
        manifests.upload(key, artifact, folder)
        assert manifests.commit(manifest).won

    def down() -> None:
        found = manifests.lookup(key)
        assert found.manifest is not None
        assert not found.problem
        manifests.fetch(key, found.manifest.outputs[0].artifact, out)

    return up, down


def plain_boto3(store: Store, environment: dict[str, str], folder: Path, out: Path) -> Way:
    """A client and transfers by boto3's own settings."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )

    def up() -> None:
        for path in sorted(folder.iterdir()):
            client.upload_file(str(path), store.bucket, store.full_name(f"boto3/{path.name}"))

    def down() -> None:
        for path in sorted(folder.iterdir()):
            name = store.full_name(f"boto3/{path.name}")
            client.download_file(store.bucket, name, str(out / path.name))

    return up, down


def s5cmd(store: Store, environment: dict[str, str], folder: Path, out: Path) -> Way | None:
    """The program, by its own settings; nothing if it is not installed."""
    beside = Path(sys.executable).parent / "s5cmd"
    program = str(beside) if beside.exists() else shutil.which("s5cmd")
    if program is None:
        return None
    setting = {**os.environ, **environment}
    del setting["AWS_SESSION_TOKEN"]

    def copy(source: str, target: str) -> None:
        endpoint = environment["AWS_ENDPOINT_URL"]
        command = [program, "--endpoint-url", endpoint, "--log", "error", "cp", source, target]
        subprocess.run(command, env=setting, check=True)

    def up() -> None:
        copy(f"{folder}/", f"{store.uri}/s5cmd/")

    def down() -> None:
        copy(f"{store.uri}/s5cmd/*", f"{out}/")

    return up, down


def timed(action: Callable[[], None]) -> float:
    """Seconds on the clock."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(
    server: EmbeddedStore, label: str, sizes: list[int], rounds: int, work: Path
) -> list[dict[str, object]]:
    """Time all ways on one set of files; give a row for each direction."""
    folder, out = work / "in", work / "out"
    folder.mkdir(parents=True)
    for number, size in enumerate(sizes):
        (folder / f"{number:04d}.bin").write_bytes(os.urandom(size))
    times: dict[tuple[str, str], list[float]] = {}
    for round_number in range(rounds + 1):
        store = server.open(f"bench-{label}-{round_number}".replace(" ", "-"))
        environment = server.environment
        ways: dict[str, Way | None] = {
            "ours": ours(store, folder, out),
            "boto3": plain_boto3(store, environment, folder, out),
            "s5cmd": s5cmd(store, environment, folder, out),
        }
        order = list(ways)
        rotated = order[round_number % 3 :] + order[: round_number % 3]
        for direction in (0, 1):
            for name in rotated:
                way = ways[name]
                if way is None:
                    continue
                shutil.rmtree(out, ignore_errors=True)
                out.mkdir()
                seconds = timed(way[direction])
                if round_number > 0:  # the first is a warm-up
                    times.setdefault((("up", "down")[direction], name), []).append(seconds)
        store.delete(item.name for item in store.list())
    shutil.rmtree(work)
    megabytes = sum(sizes) / 1e6
    rows: list[dict[str, object]] = []
    for direction in ("up", "down"):
        medians = {
            name: statistics.median(times[direction, name])
            for name in ("ours", "boto3", "s5cmd")
            if (direction, name) in times
        }
        rows.append(
            {
                "files": label,
                "direction": direction,
                "megabytes": round(megabytes, 1),
                "seconds": {name: round(value, 4) for name, value in medians.items()},
                "ours_by_boto3": round(medians["ours"] / medians["boto3"], 3),
                "runs": {
                    name: [round(value, 4) for value in times[direction, name]] for name in medians
                },
            }
        )
    return rows


def main() -> None:
    """Measure, print a table, and JSON last."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="graftline-bench-") as name:
        work = Path(name)
        with EmbeddedStore(work / "home") as server:
            for size in options.megabytes:
                label = f"1 x {size} MiB"
                rows += measure(server, label, [size << 20], options.rounds, work / "data")
            label = "200 x 100 kB"
            rows += measure(server, label, [100_000] * 200, options.rounds, work / "data")
    print(f"{'files':<14}{'way':<6}{'ours s':>9}{'boto3 s':>9}{'s5cmd s':>9}{'ours/boto3':>12}")
    for row in rows:
        seconds = row["seconds"]
        assert isinstance(seconds, dict)
        cells = "".join(
            f"{seconds.get(way, float('nan')):>9.3f}" for way in ("ours", "boto3", "s5cmd")
        )
        print(f"{row['files']:<14}{row['direction']:<6}{cells}{row['ours_by_boto3']:>12}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result: dict[str, object] = {
        "rows": rows,
        "rounds": options.rounds,
        "peak_memory_mib": round(peak),
    }
    # What else the machine was doing: ratios of a busy machine are noise.
    result |= {"cpus": os.cpu_count(), "load": [round(load, 2), round(os.getloadavg()[0], 2)]}
    print(json.dumps(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
