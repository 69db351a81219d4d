"""Large files to and from the store: in parallel parts, with bounded memory.

A file of more than one part goes up as a multipart upload and comes down as ranges. Coming down,
they are hashed in order while they are on their way.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from threading import Condition
from typing import TYPE_CHECKING, Any, TypeVar

from graftline.errors import StoreUnavailable
from graftline.store.failures import CorruptBlob, local_disk, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from io import FileIO
    from pathlib import Path
    from typing import BinaryIO

    from graftline.store.objects import Store

    Progress = Callable[[int], None]
    """Called with the number of bytes that just got through, from any thread."""

T = TypeVar("T")
S = TypeVar("S")

PART_BYTES = 8 << 20
PARALLEL_PARTS = max(4, min(8, 2 * (os.cpu_count() or 2)))
PARALLEL_FILES = 8
_MAX_PARTS = 10_000
_BLOCK_BYTES = 256 << 10
# Large: for every call the hashing thread has to win the interpreter's lock back from the others.
_HASH_BYTES = 2 << 20
_READ_ATTEMPTS = 3
_AGAIN = "run the recipe again: what is missing will be built"


def in_order(
    work: Callable[[S], T], items: Iterable[S], parallel: int, ahead: int | None = None
) -> Iterator[T]:
    """Apply a function to items in threads; give results in order, at most `ahead` unfetched.

    An error in one item ends it; items that have not started are dropped.
    """
    limit = ahead or parallel
    waiting: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(parallel, thread_name_prefix="graftline-store")
    try:
        for item in items:
            if len(waiting) >= limit:
                yield waiting.popleft().result()
            waiting.append(pool.submit(work, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def part_ranges(size: int) -> list[tuple[int, int]]:
    """Cut a size into (offset, length), in parts that S3 accepts (at most 10,000)."""
    length = max(PART_BYTES, -(-size // _MAX_PARTS))
    return [(start, min(length, size - start)) for start in range(0, size, length)]


def upload_file(store: Store, path: Path, name: str, progress: Progress | None = None) -> int:
    """Write a file as an object; see `Store.upload`."""
    with local_disk(f"read {path}"), path.open("rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        with translated(f"write {name}", store.place):
            if size <= PART_BYTES:
                _put_whole(store, stream, size, name)
                if progress:
                    progress(size)
            else:
                _put_parts(store, path, size, name, progress)
    return size


def download_file(
    store: Store,
    name: str,
    path: Path,
    size: int | None,
    sha256: str | None,
    progress: Progress | None = None,
) -> str:
    """Read an object into a file; see `Store.download`."""
    if size is None:
        info = store.head(name)
        if info is None:
            raise CorruptBlob(f"{store.place}: {name} is not there", _AGAIN)
        size = info.size
    temporary = path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}.part")
    try:
        with local_disk(f"write {path}"):
            with temporary.open("x+b", buffering=0) as file:
                found = _get_parts(store, name, size, file, progress)
            if sha256 is not None and found != sha256:
                raise CorruptBlob(
                    f"{store.place}: {name} is corrupt: its sha256 is {found[:12]}…,"
                    f" not {sha256[:12]}…",
                    _AGAIN,
                )
            os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink()
    return found


def _put_whole(store: Store, stream: BinaryIO, size: int, name: str) -> None:
    data = stream.read(size)
    store.client.put_object(Bucket=store.bucket, Key=store.full_name(name), Body=data)


def _put_parts(store: Store, path: Path, size: int, name: str, progress: Progress | None) -> None:
    target = {"Bucket": store.bucket, "Key": store.full_name(name)}
    upload = store.client.create_multipart_upload(**target)["UploadId"]
    ranges = part_ranges(size)
    # Used again for every part: fresh memory costs more (page faults) than the transfer itself.
    buffers: SimpleQueue[bytearray] = SimpleQueue()
    for _ in ranges[:PARALLEL_PARTS]:
        buffers.put(bytearray(ranges[0][1]))

    def put_part(item: tuple[int, tuple[int, int]]) -> dict[str, Any]:
        number, (offset, length) = item
        buffer = buffers.get()
        try:
            body = buffer if length == len(buffer) else bytearray(length)
            _read_exactly(path, offset, body)
            answer = store.client.upload_part(
                **target, UploadId=upload, PartNumber=number, Body=body
            )
        finally:
            buffers.put(buffer)
        if progress:
            progress(length)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    try:
        parts = list(in_order(put_part, enumerate(ranges, start=1), PARALLEL_PARTS))
        store.client.complete_multipart_upload(
            **target, UploadId=upload, MultipartUpload={"Parts": parts}
        )
    except BaseException:
        with suppress(Exception):
            store.client.abort_multipart_upload(**target, UploadId=upload)
        raise


def _read_exactly(path: Path, offset: int, buffer: bytearray) -> None:
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as stream:
        stream.seek(offset)
        while view:
            count = stream.readinto(view)
            if not count:
                raise OSError(errno.EIO, "became shorter while it was read", str(path))
            view = view[count:]


def _get_parts(store: Store, name: str, size: int, file: FileIO, progress: Progress | None) -> str:
    """Write an object's parts to a file as they come, hash behind them; give the digest."""
    parts = part_ranges(size)
    arrivals = _Arrivals(len(parts))

    def get(index: int) -> None:
        try:
            _get_range(store, name, parts[index], size, file.fileno(), index, arrivals)
        except BaseException as error:
            arrivals.fail(error)

    digest = hashlib.sha256()
    block = memoryview(bytearray(min(_HASH_BYTES, size)))
    pool = ThreadPoolExecutor(PARALLEL_PARTS, thread_name_prefix="graftline-store")
    try:
        for index in range(len(parts)):
            pool.submit(get, index)
        # Hashed from the file, where the system still has it in memory: what is held here does not
        # grow with the parts, and the hash is nearly done when the last byte is there.
        for index, (_, length) in enumerate(parts):
            hashed = 0
            while hashed < length:
                step = min(_HASH_BYTES, length - hashed)
                arrivals.wait(index, hashed + step)
                count = file.readinto(block[:step])
                if not count:
                    raise OSError(errno.EIO, "became shorter while it was written", file.name)
                digest.update(block[:count])
                hashed += count
            if progress:
                progress(length)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return digest.hexdigest()


class _Arrivals:
    """How many bytes of each part are in the file, for the thread that hashes behind them."""

    def __init__(self, parts: int) -> None:
        self._arrived = [0] * parts
        self._wanted = (0, 0)
        self._error: BaseException | None = None
        self._changed = Condition()

    def add(self, part: int, count: int) -> None:
        """More of a part is there."""
        with self._changed:
            self._arrived[part] += count
            if part == self._wanted[0] and self._arrived[part] >= self._wanted[1]:
                self._changed.notify()

    def fail(self, error: BaseException) -> None:
        """A part will not come."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify()

    def of(self, part: int) -> int:
        """How much of a part is there."""
        return self._arrived[part]

    def wait(self, part: int, count: int) -> None:
        """Wait until that many bytes of a part are there.

        Raises:
            BaseException: What kept a part from coming.
        """
        with self._changed:
            self._wanted = (part, count)
            self._changed.wait_for(lambda: self._error or self._arrived[part] >= count)
            if self._error is not None:
                raise self._error


def _get_range(
    store: Store,
    name: str,
    part: tuple[int, int],
    size: int,
    descriptor: int,
    index: int,
    arrivals: _Arrivals,
) -> None:
    """Write a part of an object of that size; go on where a broken connection left off.

    Raises:
        CorruptBlob: The object is missing, or of another size.
    """
    attempt = 0
    while True:
        attempt += 1
        offset, length = part[0] + arrivals.of(index), part[1] - arrivals.of(index)
        options = {} if length == size else {"Range": f"bytes={offset}-{offset + length - 1}"}
        with translated(f"read {name}", store.place):
            answer = store.client.get_object(
                Bucket=store.bucket, Key=store.full_name(name), **options
            )
        body, stored = answer["Body"], _stored_size(answer)
        if stored != size:
            body.close()
            raise CorruptBlob(
                f"{store.place}: {name} has {stored:,} bytes where {size:,} are expected", _AGAIN
            )
        try:
            with translated(f"read {name}", store.place):
                _write_stream(body, descriptor, offset, lambda count: arrivals.add(index, count))
            return
        except StoreUnavailable:
            if arrivals.of(index) == part[1]:
                return  # it broke behind the last byte: there is nothing left to ask for
            if attempt == _READ_ATTEMPTS:
                raise


def _write_stream(body: Any, descriptor: int, offset: int, wrote: Callable[[int], None]) -> None:
    while block := body.read(_BLOCK_BYTES):
        view = memoryview(block)
        while view:
            count = os.pwrite(descriptor, view, offset)
            offset += count
            view = view[count:]
        wrote(len(block))


def _stored_size(answer: dict[str, Any]) -> int:
    """The size of the whole object, whatever part of it was asked for."""
    whole = str(answer.get("ContentRange", "")).rpartition("/")[2]
    return int(whole or answer["ContentLength"])
