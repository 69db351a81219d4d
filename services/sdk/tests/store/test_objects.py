import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from graftline.errors import ConfigError, StoreUnavailable, TransientError
from graftline.store import Store, StoreRefused


def test_small_objects_come_back_as_they_were(store):
    assert store.get("a/b") is None
    assert store.head("a/b") is None
    etag = store.put("a/b", b"one")
    found = store.get("a/b")
    assert (found.data, found.etag, found.intact) == (b"one", etag, True)
    assert (store.head("a/b").size, store.head("a/b").etag) == (3, etag)
    store.delete(["a/b", "never/there"])
    assert store.get("a/b") is None


def test_put_new_keeps_the_first(store):
    assert store.put_new("x", b"1")
    assert not store.put_new("x", b"2")
    assert store.get("x").data == b"1"


def test_replace_needs_the_version_that_was_read(store):
    assert not store.replace("x", b"0", '"00000000000000000000000000000000"')
    assert store.get("x") is None
    old = store.put("x", b"1")
    assert not store.replace("x", b"2", '"00000000000000000000000000000000"')
    assert store.replace("x", b"2", old)
    assert not store.replace("x", b"3", old)
    assert store.get("x").data == b"2"


def test_only_one_of_many_replaces_a_version(store):
    etag = store.put("x", b"0")
    with ThreadPoolExecutor(10) as pool:
        won = list(pool.map(lambda n: store.replace("x", b"%d" % n, etag), range(1, 21)))
    assert sum(won) == 1
    assert store.get("x").data == b"%d" % (won.index(True) + 1)


def test_damage_to_a_small_object_is_noticed(store):
    store.put("x", b"right")
    head = store.client.head_object(Bucket=store.bucket, Key=store.full_name("x"))
    store.client.put_object(
        Bucket=store.bucket, Key=store.full_name("x"), Body=b"wrong", Metadata=head["Metadata"]
    )
    assert not store.get("x").intact


def test_listing_and_removing_go_page_by_page(store):
    names = [f"many/{n:04d}" for n in range(1203)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.put(name, b""), [*names, "other"]))
    assert [item.name for item in store.list("many/")] == names
    assert len(list(store.list())) == 1204
    assert [item.name for item in store.list(nested=False)] == ["other"]
    store.delete(names)
    assert [item.name for item in store.list()] == ["other"]


def test_a_prefix_is_not_a_neighbour_with_the_same_beginning(store):
    store.put("run/1", b"")
    store.put("runs/1", b"")
    assert [item.name for item in store.list("run/")] == ["run/1"]


def test_a_store_without_prefix(s3_server):
    store = s3_server.open()
    store.put("unprefixed", b"1")
    assert store.uri == "s3://graftline"
    assert "unprefixed" in [item.name for item in store.list("unpre")]
    store.delete(["unprefixed"])


@pytest.mark.parametrize("uri", ["", "bucket/prefix", "s3://", "s3:///prefix", "http://bucket/x"])
def test_an_address_of_another_form_is_refused(uri):
    with pytest.raises(ConfigError, match="s3://bucket/prefix"):
        Store.open(uri)


def test_the_probe_accepts_seaweedfs_and_leaves_nothing(store):
    store.probe()
    assert list(store.list()) == []


def test_the_probe_names_a_missing_bucket_and_can_make_it(s3_server):
    store = Store.open("s3://not-there/x", s3_server.environment)
    with pytest.raises(ConfigError, match=r"no bucket 'not-there' \(create it"):
        store.probe()
    with pytest.raises(ConfigError, match="no such bucket"):
        list(store.list())
    store.probe(create_bucket=True)
    store.probe()


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("AWS_SECRET_ACCESS_KEY", "SignatureDoesNotMatch"),
        ("AWS_ACCESS_KEY_ID", "InvalidAccessKeyId"),
    ],
)
def test_wrong_credentials_are_told_as_such(s3_server, setting, code, within):
    store = Store.open("s3://graftline/x", {**s3_server.environment, setting: "wrong"})
    with within(3), pytest.raises(StoreUnavailable, match=f"{code}.*AWS_SECRET_ACCESS_KEY"):
        store.get("a")
    with within(3), pytest.raises(StoreUnavailable, match="refuses our credentials"):
        store.probe()


def test_a_server_that_is_not_there_is_told_within_seconds(s3_server, within):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        environment = {**s3_server.environment, "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}"}
        store = Store.open("s3://graftline/x", environment)
        with within(8), pytest.raises(StoreUnavailable, match=f"{port} does not answer.*refused"):
            store.probe()


def test_a_host_name_that_means_nothing_is_told_within_seconds(s3_server, within):
    environment = {**s3_server.environment, "AWS_ENDPOINT_URL_S3": "http://store.invalid:9000"}
    store = Store.open("s3://graftline/x", environment)
    with within(10), pytest.raises(StoreUnavailable, match="store.invalid:9000 does not answer"):
        store.probe()


def test_a_server_that_hangs_up_is_told_within_seconds(s3_server, within):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def hang_up():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    environment = {**s3_server.environment, "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}"}
    store = Store.open("s3://graftline/x", environment)
    try:
        with within(8), pytest.raises(StoreUnavailable, match="does not answer"):
            store.probe()
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_an_endpoint_that_is_no_url_is_a_config_error(s3_server):
    environment = {**s3_server.environment, "AWS_ENDPOINT_URL_S3": "nonsense"}
    with pytest.raises(ConfigError, match="AWS_ENDPOINT_URL"):
        Store.open("s3://graftline/x", environment)


def test_a_store_that_ignores_conditions_is_refused(fake_s3):
    with pytest.raises(ConfigError, match="does not honour conditional writes"):
        fake_s3.open().probe()


def test_a_store_without_conditions_is_refused(fake_s3):
    fake_s3.script["PUT"] = [(501, "NotImplemented")] * 3
    with pytest.raises(ConfigError, match="does not implement this request"):
        fake_s3.open().probe()


@pytest.mark.parametrize("answer", [(500, "InternalError"), (507, "InsufficientStorage")])
def test_a_write_that_the_store_cannot_take_is_told_as_such(fake_s3, answer, within):
    fake_s3.script["PUT"] = [answer] * 10
    with within(8), pytest.raises(StoreRefused, match=f"cannot write big.*{answer[1]}.*disk"):
        fake_s3.open().put("big", b"data")


def test_a_conflict_is_tried_again(fake_s3):
    fake_s3.script["PUT"] = [(409, "ConditionalRequestConflict")] * 3
    assert fake_s3.open().put_new("x", b"1")
    assert len(fake_s3.requests) == 4


def test_a_conflict_without_end_is_an_error(fake_s3, monkeypatch):
    monkeypatch.setattr("graftline.store.objects._CONFLICT_DELAY_S", 0.0001)
    fake_s3.script["PUT"] = [(409, "ConditionalRequestConflict")] * 100
    with pytest.raises(TransientError, match="others keep writing"):
        fake_s3.open().put_new("x", b"1")


def test_a_write_whose_answer_was_lost_counts_as_ours(fake_s3):
    """The first attempt was carried out, but answered 503; the library's second gets 412."""
    fake_s3.objects["/bucket/prefix/x"] = b"1"
    fake_s3.script["PUT"] = [(503, "SlowDown"), (412, "PreconditionFailed")]
    assert fake_s3.open().put_new("x", b"1")
    fake_s3.script["PUT"] = [(503, "SlowDown"), (412, "PreconditionFailed")]
    assert not fake_s3.open().put_new("x", b"2")
    fake_s3.script["PUT"] = [(412, "PreconditionFailed")]
    assert not fake_s3.open().put_new("x", b"1")


@pytest.mark.parametrize(
    "answer", [(429, "TooManyRequests"), (400, "RequestTimeout"), (503, "SlowDown")]
)
def test_a_store_that_is_too_busy_is_worth_another_try(fake_s3, answer, within):
    fake_s3.script["GET"] = [answer] * 10
    with within(8), pytest.raises(StoreRefused, match=f"{answer[1]}.*asked too much"):
        fake_s3.open().get("x")


def test_a_token_that_has_run_out_is_told_as_credentials(fake_s3):
    fake_s3.script["GET"] = [(400, "ExpiredToken")]
    with pytest.raises(StoreUnavailable, match="refuses our credentials.*ExpiredToken"):
        fake_s3.open().get("x")


def test_who_only_reads_is_not_asked_to_write(fake_s3):
    fake_s3.open().probe(reading=True)
    assert [request.split()[0] for request in fake_s3.requests] == ["HEAD"]
