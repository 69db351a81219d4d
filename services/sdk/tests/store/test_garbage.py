from datetime import UTC, datetime, timedelta

import pytest

from graftline.errors import DataError
from graftline.store import Manifests, RunRecords, StoreVault, collect_garbage
from graftline.store.garbage import _Collection
from graftline.store.names import blob_name, step_prefix
from graftline.v1 import plan_pb2

NO_GRACE = timedelta(seconds=-10)
A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)


@pytest.fixture
def save_run(store):
    def save(run, keys, state=plan_pb2.RUN_STATE_SUCCEEDED, day=1):
        record = plan_pb2.RunRecord(run=run, state=state)
        record.started_at.FromDatetime(datetime(2026, 1, day, tzinfo=UTC))
        for key in keys:
            record.steps.add(key=key)
        RunRecords(store).save(record)
        store.put(f"runs/{run}/logs/step.log", b"log")

    return save


@pytest.fixture
def names(store):
    return lambda: {item.name for item in store.list()}


def collect(store, **options):
    return collect_garbage(store, **{"grace": NO_GRACE, "dry_run": False, **options})


def test_an_empty_store_has_no_garbage(store):
    assert collect(store).objects == 0


def test_what_no_run_reaches_goes_and_the_rest_stays(store, make_step, publish, save_run):
    producer = make_step(key=A)
    publish(producer)
    publish(make_step(key=B, inputs=[producer.manifest]))
    publish(make_step(key=C))
    save_run("kept", [B])  # A only as B's input
    store.put("cache/llm/k", b"paid for")
    report = collect(store)
    assert (report.removed_keys, sorted(report.kept_keys)) == ([C], [A, B])
    manifests = Manifests(store)
    assert [manifests.lookup(key).problem for key in (A, B, C)] == ["", "", "absent"]
    assert list(store.list(step_prefix(C))) == []
    assert store.get("cache/llm/k").data == b"paid for"


def test_cached_values_go_by_age_and_only_if_asked(store, names):
    store.put("cache/llm/k", b"paid for")
    assert collect(store).removed_values == 0
    assert collect(store, cached=timedelta(hours=1)).removed_values == 0
    assert names() == {"cache/llm/k"}
    assert collect(store, cached=NO_GRACE, dry_run=True).removed_values == 1
    assert names() == {"cache/llm/k"}
    gone = collect(store, cached=NO_GRACE)
    assert (gone.removed_values, gone.objects, gone.bytes) == (1, 1, 8)
    assert names() == set()


def test_sent_sources_stay_as_long_as_a_kept_run_names_them(
    store, make_step, publish, save_run, names
):
    step = make_step(key=A)
    step.manifest.sources.add(setting="source", uri="s3://…", fingerprint=f"sha256:{A}")
    publish(step)
    save_run("kept", [A])
    going = RunRecords(store).load("kept")
    going.run, going.state = "going", plan_pb2.RUN_STATE_RUNNING
    going.requests.add().sources.add(setting="source", fingerprint=f"sha256:{B}")
    RunRecords(store).save(going)
    for digest in (A, B, C):
        store.put(f"sources/{digest}/a/rows.jsonl", b"{}")
    assert collect(store, grace=timedelta(hours=1)).removed_sources == []
    assert collect(store).removed_sources == [C]
    left = {name for name in names() if name.startswith("sources/")}
    assert left == {f"sources/{digest}/a/rows.jsonl" for digest in (A, B)}


def test_a_dry_run_touches_nothing_and_says_the_same(
    store, make_step, publish, save_run, names, tmp_path
):
    publish(make_step(key=A))
    publish(make_step(key=B))
    save_run("kept", [A])
    store.put(blob_name(A, "f" * 64), b"orphan")
    before = names()
    dry = collect(store, dry_run=True)
    assert names() == before
    real = collect(store)
    assert (dry.objects, dry.bytes, dry.removed_keys) == (
        real.objects,
        real.bytes,
        real.removed_keys,
    )
    assert real.objects == len(before - names()) == 4  # a manifest, two blobs, the orphan


def test_old_runs_go_with_what_only_they_reach(store, make_step, publish, save_run, names):
    for key in (A, B, C):
        publish(make_step(key=key))
    save_run("one", [A, B], day=1)
    save_run("two", [B], day=2)
    save_run("three", [C], day=3)
    report = collect(store, keep_runs=2)
    assert (report.removed_runs, report.removed_keys) == (["one"], [A])
    assert not {name for name in names() if name.startswith("runs/one")}
    report = collect(store, since=datetime(2026, 1, 3, tzinfo=UTC))
    assert (report.removed_runs, report.removed_keys) == (["two"], [B])
    assert Manifests(store).lookup(C).problem == ""


def test_without_a_limit_every_run_is_kept(store, make_step, publish, save_run):
    publish(make_step(key=A))
    save_run("one", [A])
    assert collect(store).objects == 0


def test_a_run_in_progress_keeps_its_steps(store, make_step, publish, save_run):
    publish(make_step(key=A))
    publish(make_step(key=B))
    save_run("going", [A, C], state=plan_pb2.RUN_STATE_RUNNING, day=1)
    save_run("newer", [], day=9)
    report = collect(store, keep_runs=1)
    assert (report.removed_runs, report.removed_keys) == ([], [B])
    report = collect(store, keep_runs=1, abandoned=timedelta(seconds=-10))
    assert (report.removed_runs, report.removed_keys) == (["going"], [A])


def test_what_is_young_stays(store, make_step, publish, save_run, names):
    publish(make_step(key=A))
    save_run("old", [], day=1)
    save_run("new", [], day=2)
    before = names()
    assert collect(store, grace=timedelta(hours=1), keep_runs=1).objects == 0
    assert names() == before


def test_checkpoints_stay_until_the_step_is_committed(
    store, make_step, publish, save_run, tmp_path
):
    (tmp_path / "state").mkdir()
    (tmp_path / "state/x").write_bytes(b"1")
    vault = StoreVault(store, A)
    vault.save_checkpoint("train", tmp_path / "state")
    save_run("failed", [A], state=plan_pb2.RUN_STATE_FAILED)
    assert collect(store).objects == 0
    publish(make_step(key=A))
    assert collect(store).objects == 2
    assert not vault.load_checkpoint("train", tmp_path / "in")
    assert Manifests(store).lookup(A).problem == ""


def test_unfinished_uploads_end(store, save_run):
    target = {"Bucket": store.bucket, "Key": store.full_name(f"steps/{A}/blobs/{'0' * 64}")}
    upload = store.client.create_multipart_upload(**target)["UploadId"]
    store.client.upload_part(**target, UploadId=upload, PartNumber=1, Body=b"x" * (5 << 20))
    assert collect(store, grace=timedelta(hours=1)).uploads == 0
    assert collect(store).uploads == 1
    assert collect(store).uploads == 0


@pytest.mark.fault
def test_a_record_that_cannot_be_read_stops_it(store, make_step, publish, names):
    publish(make_step(key=A))
    store.put("runs/bad.binpb", b"\xff\xff")
    before = names()
    with pytest.raises(DataError, match="run 'bad'"):
        collect(store)
    assert names() == before


@pytest.mark.fault
def test_a_kept_step_whose_manifest_is_broken_is_left_for_its_repair(
    store, make_step, publish, save_run, names
):
    publish(make_step(key=A))
    save_run("kept", [A])
    store.put(f"steps/{A}/manifest.binpb", b"\xff garbage")
    before = names()
    collect(store)
    assert names() == before


@pytest.mark.fault
def test_a_run_that_begins_meanwhile_keeps_what_it_found(
    store, make_step, publish, save_run, monkeypatch
):
    publish(make_step(key=A))
    publish(make_step(key=B))
    real = _Collection.unfinished_uploads

    def begin(collection):
        save_run("begun", [A], state=plan_pb2.RUN_STATE_RUNNING)
        return real(collection)

    monkeypatch.setattr(_Collection, "unfinished_uploads", begin)
    collect(store)
    manifests = Manifests(store)
    assert [manifests.lookup(key).problem for key in (A, B)] == ["", "absent"]
