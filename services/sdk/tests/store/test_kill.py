"""Whoever is killed, whenever: nothing half is visible, nothing acknowledged is lost."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from graftline.canonical import sha256_bytes
from graftline.errors import GraftlineError, StoreUnavailable
from graftline.store import EmbeddedStore, Manifests, StoreVault
from graftline.store.names import STEPS, key_of, manifest_name
from graftline.store.transfer import PART_BYTES

pytestmark = [pytest.mark.fault, pytest.mark.slow]

ROUNDS = 12

COMMITTER = """
import hashlib, sys
from pathlib import Path
from graftline.store import Manifests, Store, describe_folder
from graftline.v1 import manifest_pb2
uri, folder, first, large = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
manifests = Manifests(Store.open(uri))
print("ready", flush=True)
for number in range(first, first + 1000):
    key = hashlib.sha256(str(number).encode()).hexdigest()
    for name in ("a", "b/c", "d"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(f"{number} {name}".encode() * 100)
    (folder / "large").write_bytes(str(number).encode() * (large // len(str(number))))
    artifact = describe_folder(folder, "examples")
    manifest = manifest_pb2.Manifest(key=key, step=str(number))
    manifest.outputs.add(port="examples", artifact=artifact)
    manifests.upload(key, artifact, folder)
    manifests.commit(manifest)
    print(key, flush=True)
"""

SAVER = """
import sys
from pathlib import Path
from graftline.store import Store, StoreVault
uri, folder, first = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
vault = StoreVault(Store.open(uri), "a" * 64)
print("ready", flush=True)
for number in range(first, first + 1000):
    for name in ("model", "optimizer", "rng"):
        (folder / name).write_text(f"{number}\\n" * (1 if name == "rng" else 50_000))
    vault.save_checkpoint("train", folder)
    print(number, flush=True)
"""


def run_and_kill(script, server, arguments, seconds):
    """Run a script, kill it some time after it says that it is ready; give the lines it said."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, **server.environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    out, _ = process.communicate()
    # A last line without its end was being written when it died.
    return out[: out.rfind("\n") + 1].split()


def test_a_committer_killed_at_random_leaves_all_or_nothing(s3_server, store, tmp_path):
    manifests, rng = Manifests(store), random.Random(1)
    acknowledged, unfinished = [], 0
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        large = 3 * PART_BYTES if number % 3 == 0 else 1000
        arguments = [store.uri, folder, 1000 * number, large]
        acknowledged += run_and_kill(COMMITTER, s3_server, arguments, rng.uniform(0, 0.7))
    keys = {key_of(item.name) for item in store.list(STEPS)}
    for key in keys:
        found = manifests.lookup(key)
        assert found.problem in ("", "absent")
        if found.problem:
            unfinished += 1
            assert store.get(manifest_name(key)) is None
        else:
            artifact = found.manifest.outputs[0].artifact
            manifests.fetch(key, artifact, tmp_path / "out" / key)
    assert set(acknowledged) <= keys
    assert all(manifests.lookup(key).problem == "" for key in acknowledged)
    assert len(acknowledged) > ROUNDS
    assert unfinished > 0, "no kill fell between the first blob and the manifest: nothing shown"


def test_a_checkpoint_is_always_whole_and_never_older_than_acknowledged(s3_server, store, tmp_path):
    vault, rng, last, saved = StoreVault(store, "a" * 64), random.Random(2), -1, 0
    for number in range(ROUNDS):
        folder, restored = tmp_path / f"out-{number}", tmp_path / f"in-{number}"
        folder.mkdir()
        arguments = [store.uri, folder, last + 1]
        said = run_and_kill(SAVER, s3_server, arguments, rng.uniform(0, 0.5))
        saved += len(said)
        last = max([last, *map(int, said)])
        if vault.load_checkpoint("train", restored):
            held = {int((restored / name).read_text().split()[0]) for name in ("model", "rng")}
            assert len(held) == 1
            assert (restored / "optimizer").read_text() == f"{min(held)}\n" * 50_000
            assert min(held) >= last
            last = min(held)
        else:
            assert last == -1
    assert saved > ROUNDS


def test_a_server_killed_at_random_loses_nothing_acknowledged(tmp_path):
    rng, acknowledged = random.Random(3), {}

    def write(store, worker, number, stop):
        sizes = random.Random(100 * number + worker)
        count = 0
        while not stop.is_set():
            data = os.urandom(sizes.choice([0, 10, 5_000, 300_000, 5_000_000]))
            name = f"{number}/{worker}/{count}"
            try:
                store.put(name, data)
            except GraftlineError:
                return
            acknowledged[name] = sha256_bytes(data)
            count += 1

    for number in range(ROUNDS // 2):
        with EmbeddedStore(tmp_path) as embedded:
            store, stop = embedded.open("p"), threading.Event()
            found = {item.name for item in store.list()}
            assert set(acknowledged) <= found
            for name, digest in acknowledged.items():
                assert sha256_bytes(store.get(name).data) == digest
            writers = [
                threading.Thread(target=write, args=(store, worker, number, stop))
                for worker in range(3)
            ]
            for writer in writers:
                writer.start()
            time.sleep(rng.uniform(0.05, 0.6))
            for pid in embedded.process_ids:
                os.kill(pid, signal.SIGKILL)
            stop.set()
            for writer in writers:
                writer.join()
    assert len(acknowledged) > ROUNDS


def test_a_server_killed_under_a_transfer_is_a_transient_error(tmp_path):
    """Both ways; afterwards the same call succeeds, on the same client."""
    (tmp_path / "file").write_bytes(os.urandom(20 * PART_BYTES))
    with EmbeddedStore(tmp_path / "home") as embedded:
        store = embedded.open("p")

        def killed_during(action):
            killer = threading.Timer(0.08, lambda: os.kill(embedded.process_ids[0], signal.SIGKILL))
            killer.start()
            with pytest.raises(StoreUnavailable):
                action()
            killer.join()
            assert embedded.ensure_running()

        killed_during(lambda: store.upload(tmp_path / "file", "file"))
        assert store.head("file") is None
        store.upload(tmp_path / "file", "file")
        (tmp_path / "in").mkdir()
        killed_during(lambda: store.download("file", tmp_path / "in/file"))
        assert list((tmp_path / "in").iterdir()) == []
        digest = store.download("file", tmp_path / "in/file")
        assert digest == sha256_bytes((tmp_path / "file").read_bytes())
