import grpc
import pytest

from graftline.canonical import sha256_bytes
from graftline.store import Store
from graftline.store.names import blobs_prefix, manifest_name
from graftline.v1 import index_service_pb2 as pb
from graftline.v1 import manifest_pb2
from graftline_index import manifests as service
from graftline_index import reading


def key_of(name):
    """As `publish` makes it."""
    return sha256_bytes(name.encode())


def refused(call, request):
    with pytest.raises(grpc.RpcError) as error:
        call(request, timeout=60)
    return error.value.code(), error.value.details()


def steps(response):
    return [manifest.step for manifest in response.manifests]


def in_key_order(*names):
    return sorted(names, key=key_of)


def all_pages(index, size=0, stages=()):
    """Every page's steps, to the last."""
    pages, token = [], ""
    while True:
        request = pb.ListManifestsRequest(page_size=size, stages=stages, page_token=token)
        response = index.manifests.ListManifests(request, timeout=60)
        pages.append(steps(response))
        token = response.next_page_token
        if not token:
            return pages


def test_a_manifest_comes_with_the_digest_of_its_bytes(index, publish):
    committed = publish("curate")
    found = index.manifests.GetManifest(pb.GetManifestRequest(key=key_of("curate")))
    assert found.manifest == committed.manifest
    assert found.digest == committed.digest


def test_a_key_without_a_manifest_is_not_found(index, store):
    key = key_of("nothing")
    for call, request in (
        (index.manifests.GetManifest, pb.GetManifestRequest(key=key)),
        (index.manifests.GetLineage, pb.GetLineageRequest(key=key)),
    ):
        code, details = refused(call, request)
        assert code == grpc.StatusCode.NOT_FOUND
        assert key in details
    store.put(manifest_name(key), b"\xff broken")
    code, details = refused(index.manifests.GetManifest, pb.GetManifestRequest(key=key))
    assert code == grpc.StatusCode.NOT_FOUND
    assert "cannot be read" in details


@pytest.mark.parametrize("key", ["", "short", "../../etc/passwd", "A" * 64])
def test_what_is_no_key_is_an_invalid_argument(index, key):
    for call, request in (
        (index.manifests.GetManifest, pb.GetManifestRequest(key=key)),
        (index.manifests.GetLineage, pb.GetLineageRequest(key=key)),
        (index.manifests.ResolveKeys, pb.ResolveKeysRequest(keys=[key_of("x"), key])),
    ):
        code, details = refused(call, request)
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert "64 hexadecimal digits" in details


def test_an_empty_store_has_one_empty_page(index):
    assert all_pages(index) == [[]]


def test_pages_give_each_manifest_once_in_order(index, publish, store):
    names = [f"step-{n}" for n in range(7)]
    for name in names:
        publish(name)
    store.put(f"steps/{key_of('begun')}/checkpoints/at.json", b"{}")  # not committed yet
    store.put("steps/stray", b"")
    ordered = in_key_order(*names)
    assert all_pages(index) == [ordered]
    assert all_pages(index, size=3) == [ordered[:3], ordered[3:6], ordered[6:]]
    assert sum(all_pages(index, size=1), []) == ordered


def test_a_step_with_more_blobs_than_one_listing_asks_for_is_one_step(index, publish, store):
    first, second = in_key_order("one", "two")
    publish(first)
    publish(second)
    for number in range(5 * reading.PARALLEL):
        store.put(f"{blobs_prefix(key_of(first))}{number:064}", b"")
    assert all_pages(index, size=1) == [[first], [second]]


def test_a_token_stays_good_while_steps_come_and_go(index, serve_index, publish, store):
    ordered = in_key_order(*[f"step-{n}" for n in range(8)])
    late = [ordered[0], ordered[6]]
    for name in ordered:
        if name not in late:
            publish(name)
    first = index.manifests.ListManifests(pb.ListManifestsRequest(page_size=3))
    assert steps(first) == ordered[1:4]
    for name in late:
        publish(name)
    store.delete(item.name for item in list(store.list(f"steps/{key_of(ordered[3])}/")))
    request = pb.ListManifestsRequest(page_size=3, page_token=first.next_page_token)
    for other in (index, serve_index(store)):
        assert steps(other.manifests.ListManifests(request)) == ordered[4:7]


def test_only_the_stages_asked_for_are_listed(index, publish, monkeypatch):
    names = [f"step-{n}" for n in range(20)]
    for number, name in enumerate(names):
        publish(name, stage="train" if number % 7 == 0 else "curate")
    trained = in_key_order(*names[::7])
    assert all_pages(index, stages=["train"]) == [trained]
    assert all_pages(index, stages=["train", "judge"], size=2) == [trained[:2], trained[2:]]
    assert all_pages(index, stages=["judge"]) == [[]]
    # However little is found, one page looks at only so many steps.
    monkeypatch.setattr(reading, "_PAGE_LOOKS", 8)
    pages = all_pages(index, stages=["train"])
    assert len(pages) == 3
    assert sum(pages, []) == trained


def test_a_page_fits_into_what_a_client_takes(index, store):
    """The largest message that gRPC takes by default has 4 MiB."""
    names = in_key_order(*[f"large-{n}" for n in range(6)])
    for name in names:
        manifest = manifest_pb2.Manifest(key=key_of(name), step=name, config="x" * 1_000_000)
        store.put(manifest_name(manifest.key), manifest.SerializeToString())
    assert all_pages(index) == [names[:3], names[3:]]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (pb.ListManifestsRequest(page_token="made up"), "page token"),
        (pb.ListManifestsRequest(stages=[str(n) for n in range(101)]), "at most 100"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(index, request_, said):
    code, details = refused(index.manifests.ListManifests, request_)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert said in details


def test_keys_are_resolved_each_once_and_only_if_complete(index, publish, store):
    for name in ("whole", "broken", "also"):
        publish(name)
    store.delete(item.name for item in list(store.list(blobs_prefix(key_of("broken")))))
    asked = [key_of(name) for name in ("also", "whole", "nothing", "broken", "also")]
    response = index.manifests.ResolveKeys(pb.ResolveKeysRequest(keys=asked))
    assert list(response.present) == [key_of("also"), key_of("whole")]
    assert not index.manifests.ResolveKeys(pb.ResolveKeysRequest()).present


def test_too_many_keys_are_refused(index):
    request = pb.ResolveKeysRequest(keys=[key_of(str(n)) for n in range(1_001)])
    code, details = refused(index.manifests.ResolveKeys, request)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "1,001 keys" in details


def test_a_lineage_has_each_manifest_once_nearest_first(index, publish):
    publish("source")
    publish("left", inputs=["source"])
    publish("right", inputs=["source"])
    publish("end", inputs=["left", "right", "source"])
    publish("stranger")
    response = index.manifests.GetLineage(pb.GetLineageRequest(key=key_of("end")))
    assert steps(response) == ["end", "left", "right", "source"]
    only = index.manifests.GetLineage(pb.GetLineageRequest(key=key_of("source")))
    assert steps(only) == ["source"]


def test_a_lineage_goes_on_where_a_manifest_is_gone(index, publish, store):
    publish("source")
    publish("middle", inputs=["source"])
    publish("end", inputs=["middle", "source"])
    store.delete([manifest_name(key_of("middle"))])
    response = index.manifests.GetLineage(pb.GetLineageRequest(key=key_of("end")))
    assert steps(response) == ["end", "source"]
    assert [reference.step for reference in response.manifests[0].inputs] == ["middle", "source"]


def test_a_lineage_that_is_too_long_is_refused(index, publish, monkeypatch):
    publish("source")
    publish("middle", inputs=["source"])
    publish("end", inputs=["middle"])
    monkeypatch.setattr(reading, "_LINEAGE_STEPS", 2)
    code, details = refused(index.manifests.GetLineage, pb.GetLineageRequest(key=key_of("end")))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "more than 2 steps" in details


AWAY = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


def test_a_store_that_is_away_is_unavailable(serve_index):
    store = Store.open("s3://bucket", {**AWAY, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    index, key = serve_index(store), key_of("x")
    for call, request in (
        (index.manifests.GetManifest, pb.GetManifestRequest(key=key)),
        (index.manifests.ListManifests, pb.ListManifestsRequest()),
        (index.manifests.ResolveKeys, pb.ResolveKeysRequest(keys=[key])),
        (index.manifests.GetLineage, pb.GetLineageRequest(key=key)),
    ):
        code, details = refused(call, request)
        assert code == grpc.StatusCode.UNAVAILABLE
        assert "does not answer" in details
        assert "\n" not in details


def test_a_bucket_that_is_missing_is_unavailable(serve_index, s3_server):
    index = serve_index(Store.open("s3://nowhere", s3_server.environment))
    code, details = refused(index.manifests.ListManifests, pb.ListManifestsRequest())
    assert code == grpc.StatusCode.UNAVAILABLE
    assert "no such bucket" in details


def test_a_bug_is_told_in_the_log_and_not_to_the_client(index, monkeypatch, caplog):
    def fail(self, key):
        raise ZeroDivisionError("a secret of ours")

    monkeypatch.setattr(reading.Manifests, "lookup", fail)
    request = pb.GetManifestRequest(key=key_of("x"))
    code, details = refused(index.manifests.GetManifest, request)
    assert code == grpc.StatusCode.INTERNAL
    assert "ZeroDivisionError" in details
    assert "secret" not in details
    assert "a secret of ours" in caplog.text


def test_one_question_too_many_is_told_to_come_back(index, monkeypatch):
    monkeypatch.setattr(service, "_CALLS_AT_ONCE", 0)
    request = pb.GetManifestRequest(key=key_of("x"))
    code, details = refused(index.manifests.GetManifest, request)
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "ask again" in details


def test_nothing_is_ever_written(index, publish, store):
    publish("source")
    publish("end", inputs=["source"])

    def everything():
        return {(item.name, item.etag, item.modified) for item in store.list()}

    before = everything()
    key = key_of("end")
    index.manifests.GetManifest(pb.GetManifestRequest(key=key))
    index.manifests.ListManifests(pb.ListManifestsRequest())
    index.manifests.ResolveKeys(pb.ResolveKeysRequest(keys=[key, key_of("nothing")]))
    index.manifests.GetLineage(pb.GetLineageRequest(key=key))
    assert everything() == before
