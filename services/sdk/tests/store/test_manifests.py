import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graftline.canonical import sha256_bytes
from graftline.errors import BugError
from graftline.store import CorruptBlob, Manifests, Store
from graftline.store.names import blob_name, blobs_prefix, manifest_name

KEY = "a" * 64


def overwrite(store, name, data):
    """As a stranger would: without the digest that the SDK keeps beside an object."""
    store.client.put_object(Bucket=store.bucket, Key=store.full_name(name), Body=data)


def test_what_is_committed_is_found_and_fetched(store, make_step, publish, tmp_path):
    step, manifests = make_step(), Manifests(store)
    assert manifests.lookup(KEY).problem == "absent"
    committed = publish(step)
    assert committed.won
    found = manifests.lookup(KEY)
    assert (found.problem, found.digest) == ("", committed.digest)
    assert found.manifest == step.manifest == manifests.read(KEY)
    points = []
    manifests.fetch(KEY, step.artifact, tmp_path / "out", lambda *point: points.append(point))
    for blob in step.artifact.blobs:
        assert sha256_bytes((tmp_path / "out" / blob.path).read_bytes()) == blob.sha256
    total = sum(blob.size for blob in step.artifact.blobs)
    assert max(points) == (total, total)
    assert [p.name for p in (tmp_path / "out").iterdir() if p.name.startswith(".")] == []


def test_equal_files_are_stored_once(store, make_step, publish, tmp_path):
    step = make_step(files={"a": b"same", "b/c": b"same"})
    publish(step)
    assert len(list(store.list(blobs_prefix(KEY)))) == 1
    Manifests(store).fetch(KEY, step.artifact, tmp_path / "out")
    assert (tmp_path / "out/b/c").read_bytes() == b"same"


def test_nothing_is_visible_before_the_commit(store, make_step):
    step, manifests = make_step(), Manifests(store)
    manifests.upload(KEY, step.artifact, step.folder)
    assert manifests.lookup(KEY).problem == "absent"


def test_a_commit_without_its_blobs_is_a_bug(store, make_step):
    step, manifests = make_step(), Manifests(store)
    with pytest.raises(BugError, match="missing at its commit"):
        manifests.commit(step.manifest)
    assert manifests.lookup(KEY).problem == "absent"


def test_a_file_that_changes_while_it_is_stored_is_a_bug(store, make_step):
    step = make_step()
    (step.folder / "rows.jsonl").write_bytes(b"something else")
    with pytest.raises(BugError, match="changed while it was stored"):
        Manifests(store).upload(KEY, step.artifact, step.folder)


def test_the_first_commit_stands(store, make_step, publish):
    ours, theirs = make_step(files={"x": b"ours"}), make_step(files={"x": b"theirs"})
    publish(theirs)
    committed = publish(ours)
    assert not committed.won
    assert committed.manifest == theirs.manifest
    assert committed.digest == Manifests(store).lookup(KEY).digest


def test_twenty_racing_committers_agree(s3_server, store, make_step):
    """Each in a thread with a client of its own; see also the processes below."""
    steps = [make_step(files={"x": b"%d" % n}) for n in range(20)]

    def commit(step):
        mine = Manifests(Store.open(store.uri, s3_server.environment))
        mine.upload(KEY, step.artifact, step.folder)
        return mine.commit(step.manifest)

    with ThreadPoolExecutor(20) as pool:
        ends = list(pool.map(commit, steps))
    assert sum(end.won for end in ends) == 1
    assert len({end.digest for end in ends}) == 1
    assert Manifests(store).lookup(KEY).digest == ends[0].digest


RACER = """
import sys
from pathlib import Path
from graftline.store import Manifests, Store, describe_folder
from graftline.v1 import manifest_pb2
uri, folder, key = sys.argv[1:]
manifests = Manifests(Store.open(uri))
artifact = describe_folder(Path(folder), "examples")
manifest = manifest_pb2.Manifest(key=key, step=folder)
manifest.outputs.add(port="examples", artifact=artifact)
manifests.upload(key, artifact, Path(folder))
print("ready", flush=True)
sys.stdin.readline()
end = manifests.commit(manifest)
print(end.won, end.digest)
"""


@pytest.mark.slow
def test_racing_processes_agree(s3_server, store, tmp_path):
    racers = []
    for n in range(6):
        (tmp_path / str(n)).mkdir()
        (tmp_path / str(n) / "x").write_text(str(n))
        racers.append(
            subprocess.Popen(
                [sys.executable, "-c", RACER, store.uri, str(tmp_path / str(n)), KEY],
                env={**os.environ, **s3_server.environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    ends = [racer.communicate()[0].split() for racer in racers]
    assert sorted(won for won, _ in ends) == ["False"] * 5 + ["True"]
    assert len({digest for _, digest in ends}) == 1


@pytest.mark.fault
@pytest.mark.parametrize("damage", ["garbage", "empty", "cut", "another key", "digest"])
def test_a_manifest_that_cannot_be_read_is_replaced(store, make_step, publish, damage):
    step, manifests = make_step(), Manifests(store)
    publish(step)
    data = store.get(manifest_name(KEY)).data
    if damage == "garbage":
        data = b"\xff\xfe garbage"
    elif damage == "empty":
        data = b""
    elif damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "another key":
        data = make_step(key="b" * 64).manifest.SerializeToString()
    else:
        data = data.replace(step.artifact.digest.encode(), b"0" * 64)
    overwrite(store, manifest_name(KEY), data)
    broken = manifests.lookup(KEY)
    assert (broken.problem, broken.manifest) == ("manifest unreadable", None)
    assert manifests.commit(step.manifest, broken.etag).won
    assert manifests.lookup(KEY).problem == ""


@pytest.mark.fault
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_damage_to_a_manifest_that_keeps_its_digest_is_noticed(store, make_step, publish, data):
    name = manifest_name(KEY)
    if store.head(name) is None:
        publish(make_step())
        test_any_damage_to_a_manifest_that_keeps_its_digest_is_noticed.good = store.get(name).data
    good = test_any_damage_to_a_manifest_that_keeps_its_digest_is_noticed.good
    metadata = {"graftline-sha256": sha256_bytes(good)}
    cut = data.draw(st.integers(0, len(good) - 1))
    bad = data.draw(
        st.sampled_from([good[:cut], good[:cut] + bytes([good[cut] ^ 1]) + good[cut + 1 :]])
    )
    full = store.full_name(name)
    store.client.put_object(Bucket=store.bucket, Key=full, Body=bad, Metadata=metadata)
    assert Manifests(store).lookup(KEY).problem == "manifest unreadable"


@pytest.mark.fault
@pytest.mark.parametrize(
    ("damage", "problem"),
    [(None, "blob 'rows.jsonl' missing"), (b"{}", "blob 'rows.jsonl' has 2 bytes, not 3")],
)
def test_a_blob_that_is_missing_or_cut_is_noticed_at_look_up(
    store, make_step, publish, damage, problem
):
    step, manifests = make_step(), Manifests(store)
    publish(step)
    name = blob_name(KEY, sha256_bytes(b"{}\n"))
    store.delete([name])
    if damage is not None:
        overwrite(store, name, damage)
    found = manifests.lookup(KEY)
    assert found.problem == problem
    again = publish(step, found.etag)
    assert again.won
    assert manifests.lookup(KEY).problem == ""


def test_a_commit_during_the_look_up_is_no_missing_blob(store, make_step, publish, monkeypatch):
    """The listing may be older than the manifest that the look-up then reads."""
    step, real, committed, listings = make_step(), Manifests._stored_sizes, threading.Event(), []

    def list_then_commit(self, key):
        sizes = real(self, key)
        listings.append(sizes)
        if len(listings) == 1:
            publish(step)
            committed.set()
        return sizes

    def read_after_the_commit(name):
        assert committed.wait(30)
        return Store.get(store, name)

    monkeypatch.setattr(Manifests, "_stored_sizes", list_then_commit)
    monkeypatch.setattr(store, "get", read_after_the_commit)
    assert Manifests(store).lookup(KEY).problem == ""
    assert listings[0] == {}


@pytest.mark.fault
def test_a_corrupt_blob_is_noticed_removed_and_repaired(store, make_step, publish, tmp_path):
    step, manifests = make_step(), Manifests(store)
    publish(step)
    name = blob_name(KEY, sha256_bytes(b"{}\n"))
    overwrite(store, name, b"[]\n")
    assert manifests.lookup(KEY).problem == ""  # its size is right
    with pytest.raises(CorruptBlob, match=f"step {KEY[:12]}: stored file 'rows.jsonl'"):
        manifests.fetch(KEY, step.artifact, tmp_path / "out")
    assert not (tmp_path / "out/rows.jsonl").exists()
    broken = manifests.lookup(KEY)
    assert broken.problem == "blob 'rows.jsonl' missing"
    assert publish(step, broken.etag).won
    manifests.fetch(KEY, step.artifact, tmp_path / "out")


@pytest.mark.fault
def test_an_upload_does_not_trust_what_is_there(store, make_step, publish, tmp_path):
    step = make_step()
    overwrite(store, blob_name(KEY, sha256_bytes(b"{}\n")), b"[]\n")
    publish(step)
    Manifests(store).fetch(KEY, step.artifact, tmp_path / "out")


@pytest.mark.fault
def test_racing_repairs_agree(s3_server, store, make_step, publish):
    publish(make_step())
    overwrite(store, manifest_name(KEY), b"\xff garbage")
    etag = Manifests(store).lookup(KEY).etag
    steps = [make_step(files={"x": b"%d" % n}) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(lambda step: publish(step, etag), steps))
    assert sum(end.won for end in ends) == 1
    assert {end.digest for end in ends} == {Manifests(store).lookup(KEY).digest}


def test_a_repair_of_what_was_removed_meanwhile_commits(store, make_step, publish):
    step = make_step()
    publish(step)
    etag = Manifests(store).lookup(KEY).etag
    store.delete([manifest_name(KEY)])
    assert publish(step, etag).won


@pytest.mark.fault
def test_a_broken_manifest_of_somebody_else_does_not_win(store, make_step, publish):
    """They committed while we worked, and then lost a blob: a 412 is verified before it counts."""
    theirs, ours = make_step(files={"x": b"theirs"}), make_step(files={"x": b"ours"})
    publish(theirs)
    store.delete([blob_name(KEY, sha256_bytes(b"theirs"))])
    assert publish(ours).won
    assert Manifests(store).lookup(KEY).manifest == ours.manifest


def test_an_input_that_changed_is_noticed(store, make_step, publish):
    before = make_step(key="b" * 64, files={"x": b"before"}).manifest
    today = make_step(key="b" * 64, files={"x": b"today"}).manifest
    publish(make_step(inputs=[before]))
    manifests = Manifests(store)
    assert manifests.lookup(KEY).problem == ""
    assert manifests.lookup(KEY, {before.key: before}).problem == ""
    assert manifests.lookup(KEY, {"c" * 64: today}).problem == ""
    assert manifests.lookup(KEY, {today.key: today}).problem == "input 'in' changed"


def test_a_commit_over_stale_inputs_replaces_them(store, make_step, publish):
    before = make_step(key="b" * 64, files={"x": b"before"}).manifest
    today = make_step(key="b" * 64, files={"x": b"today"}).manifest
    publish(make_step(inputs=[before]))
    ours = make_step(inputs=[today])
    assert publish(ours).won
    assert Manifests(store).lookup(KEY, {today.key: today}).problem == ""


@pytest.mark.fault
def test_a_path_that_leads_outside_is_not_written(store, make_step, tmp_path):
    artifact = make_step().artifact
    artifact.blobs[0].path = "../escaped"
    with pytest.raises(CorruptBlob, match="no path of an artifact"):
        Manifests(store).fetch(KEY, artifact, tmp_path / "out")
    assert not Path(tmp_path / "escaped").exists()
