import errno
import hashlib
import os
import random

import pytest

from graftline.errors import DataError, StoreUnavailable, TransientError
from graftline.store import CorruptBlob, transfer
from graftline.store.failures import local_disk
from graftline.store.transfer import PART_BYTES, in_order, part_ranges


def make_file(path, size, seed=0):
    path.write_bytes(random.Random(seed).randbytes(size))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 12345])
def test_files_of_any_size_come_back_as_they_were(store, tmp_path, size):
    digest = make_file(tmp_path / "up", size)
    up, down = [], []
    assert store.upload(tmp_path / "up", "file", up.append) == size
    found = store.download("file", tmp_path / "down", size, digest, down.append)
    assert found == digest
    assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()
    assert sum(up) == sum(down) == size
    assert store.head("file").size == size


def test_the_size_is_asked_for_when_it_is_not_given(store, tmp_path):
    digest = make_file(tmp_path / "up", 1000)
    store.upload(tmp_path / "up", "file")
    assert store.download("file", tmp_path / "down") == digest


@pytest.mark.fault
@pytest.mark.parametrize("size", [1000, PART_BYTES + 5])
@pytest.mark.parametrize("damage", ["flipped", "cut", "longer", "gone"])
def test_damage_is_noticed_and_leaves_no_file(store, tmp_path, size, damage):
    digest = make_file(tmp_path / "file", size)
    data = bytearray((tmp_path / "file").read_bytes())
    if damage == "flipped":
        data[size // 2] ^= 1
    elif damage == "cut":
        del data[-1:]
    elif damage == "longer":
        data += b"x"
    if damage != "gone":
        (tmp_path / "damaged").write_bytes(data)
        store.upload(tmp_path / "damaged", "file")
    (tmp_path / "new").mkdir()
    with pytest.raises(CorruptBlob):
        store.download("file", tmp_path / "new/file", size, digest)
    assert list((tmp_path / "new").iterdir()) == []


def test_an_object_that_was_cut_by_parts_is_noticed(store, tmp_path):
    make_file(tmp_path / "file", PART_BYTES + 5)
    store.upload(tmp_path / "file", "file")
    with pytest.raises(CorruptBlob, match="bytes where|is cut"):
        store.download("file", tmp_path / "down", 3 * PART_BYTES)


def test_a_file_that_stood_there_stays_when_the_new_one_is_corrupt(store, tmp_path):
    store.put("file", b"new!")
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(CorruptBlob):
        store.download("file", tmp_path / "file", 4, "0" * 64)
    assert (tmp_path / "file").read_bytes() == b"old"


def test_an_upload_that_fails_leaves_nothing_visible(store, tmp_path, monkeypatch):
    make_file(tmp_path / "file", 3 * PART_BYTES)
    real = transfer._read_exactly

    def failing(path, offset, buffer):
        if offset >= PART_BYTES:
            raise OSError(errno.EIO, "broken disk")
        return real(path, offset, buffer)

    monkeypatch.setattr(transfer, "_read_exactly", failing)
    with pytest.raises(DataError, match="broken disk"):
        store.upload(tmp_path / "file", "file")
    assert store.head("file") is None
    pages = store.client.list_multipart_uploads(Bucket=store.bucket, Prefix=store.full_name("file"))
    assert pages.get("Uploads", []) == []


def test_a_full_local_disk_is_told_as_such():
    full = pytest.raises(TransientError, match="no space left on the local disk '/x'")
    with full, local_disk("write /x"):
        raise OSError(errno.ENOSPC, "No space left on device", "/x")


def test_a_missing_file_is_told_as_such(store, tmp_path):
    with pytest.raises(DataError, match="gone"):
        store.upload(tmp_path / "gone", "file")


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 10_000 * PART_BYTES + 1])
def test_parts_cover_a_size_without_gap(size):
    parts = part_ranges(size)
    assert len(parts) <= 10_000
    assert sum(length for _, length in parts) == size
    assert all(a[0] + a[1] == b[0] for a, b in zip(parts, parts[1:], strict=False))


def test_work_in_order_is_bounded_and_stops_at_the_first_error():
    started = []

    def work(number):
        started.append(number)
        if number == 3:
            raise ValueError("three")
        return number

    results = in_order(work, range(1000), parallel=2)
    assert next(results) == 0
    assert len(started) <= 3
    with pytest.raises(ValueError, match="three"):
        list(results)
    assert len(started) < 10


@pytest.mark.fault
def test_a_connection_that_breaks_in_a_part_goes_on_where_it_was(store, tmp_path, monkeypatch):
    digest = make_file(tmp_path / "up", 2 * PART_BYTES + 5)
    store.upload(tmp_path / "up", "file")
    real, broken, asked = transfer._write_stream, [], []
    get = store.client.get_object

    def breaking(body, descriptor, offset, wrote):
        if not broken and offset == 0:
            broken.append(offset)
            block = body.read(1000)
            body.close()
            os.pwrite(descriptor, block, offset)
            wrote(len(block))
            raise StoreUnavailable("the connection broke")
        real(body, descriptor, offset, wrote)

    def noting(**options):
        asked.append(options.get("Range"))
        return get(**options)

    monkeypatch.setattr(transfer, "_write_stream", breaking)
    monkeypatch.setattr(store.client, "get_object", noting)
    assert store.download("file", tmp_path / "down", sha256=digest) == digest
    assert any(r.startswith(f"bytes={broken[0] + 1000}-") for r in asked)


@pytest.mark.fault
@pytest.mark.parametrize("size", [5, PART_BYTES + 5])
def test_a_connection_that_breaks_behind_the_last_byte_has_brought_all(
    store, tmp_path, monkeypatch, size
):
    digest = make_file(tmp_path / "up", size)
    store.upload(tmp_path / "up", "file")
    real = transfer._write_stream

    def breaking(body, descriptor, offset, wrote):
        real(body, descriptor, offset, wrote)
        raise StoreUnavailable("the connection broke")

    monkeypatch.setattr(transfer, "_write_stream", breaking)
    assert store.download("file", tmp_path / "down", sha256=digest) == digest
