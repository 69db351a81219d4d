"""Archives, opened within bounds: one member at a time, never under its own name."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import zipfile
from itertools import count
from typing import TYPE_CHECKING, BinaryIO, cast

from graftline_ingest.documents.damage import ZIP_METHODS, Damaged, damage_told
from graftline_ingest.documents.found import (
    Found,
    Item,
    Unreadable,
    is_hidden,
    is_wanted,
    matches,
    printable,
    unsafe_name,
)
from graftline_ingest.documents.kinds import archive_kind
from graftline_ingest.drafts import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from graftline_ingest.config import IngestConfig

_FREE_BYTES = 64 << 20
_BLOCK = 1 << 20


class Budget:
    """How much a source's archive, and all archives in it, may unpack to."""

    def __init__(self, size: int, max_expansion: int, max_files: int) -> None:
        """Begin with what an archive of that size may become."""
        self._limit = _FREE_BYTES + size * max_expansion
        self._max_expansion = max_expansion
        self._bytes = 0
        self._files = 0
        self._max_files = max_files

    def take(self, count: int) -> None:
        """Use so many bytes.

        Raises:
            Refused: There are not so many left.
        """
        self._bytes += count
        if self._bytes > self._limit:
            raise Refused(
                "bomb",
                f"unpacks to more than {self._limit >> 20} MiB, over {self._max_expansion} times"
                " its size (max_expansion)",
            )

    def count(self) -> None:
        """Use one member.

        Raises:
            Refused: There are too many.
        """
        self._files += 1
        if self._files > self._max_files:
            raise Refused("bomb", f"has more than {self._max_files:,} members (max_members)")


class _Unpacked(io.RawIOBase):
    """What a gzip file unpacks to, counted."""

    def __init__(self, path: Path, budget: Budget) -> None:
        super().__init__()
        self._inner = gzip.open(path)  # noqa: SIM115 (closed with this)
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._inner.read(len(buffer))
        self._budget.take(len(data))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._inner.close()
        super().close()


class Archives:
    """Opens archives and the archives in them.

    Args:
        config: What is wanted, and bounds.
        scratch: A folder for members that are being read (and the archives around them).
    """

    def __init__(self, config: IngestConfig, scratch: Path) -> None:
        """Keep both."""
        self._config = config
        self._bounds = config.documents
        self._scratch = scratch
        self._targets = count()

    def open(self, name: str, path: Path) -> Iterator[Item]:
        """Give an archive's files in its own order; one that breaks off ends with an Unreadable."""
        size = path.stat().st_size
        budget = Budget(size, self._config.max_expansion, self._bounds.max_members)
        yield from self._open(name, path, budget, depth=1)

    def _open(self, name: str, path: Path, budget: Budget, depth: int) -> Iterator[Item]:
        size = path.stat().st_size
        if depth > self._bounds.max_depth:
            detail = f"lies in {depth - 1} archives, more than {self._bounds.max_depth} (max_depth)"
            yield Unreadable(name, size, "too-deep", detail)
            return
        kind = archive_kind(name)
        members = {"zip": self._zip, "tar": self._tar, "tar.gz": self._tar, "gz": self._gz}[kind]
        seen = False
        try:
            with damage_told(f"is no whole {kind} archive"):
                for item in members(name, path, budget, depth):
                    seen = True
                    if item is not None:
                        yield item
        except Refused as refused:
            yield Unreadable(name, size, refused.reason, refused.detail)
        else:
            if not seen:
                yield Unreadable(name, size, "empty", "is an archive without files")

    def _zip(self, name: str, path: Path, budget: Budget, depth: int) -> Iterator[Item | None]:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            for member in members:
                budget.count()
                budget.take(member.file_size)  # no member gives more than it says
            for member in members:
                inner = member.filename.replace("\\", "/")
                if member.external_attr >> 16 & 0o170000 == 0o120000:
                    yield _refuse(name, inner, member.file_size, "unsafe-path", "a symbolic link")
                elif member.flag_bits & 1:
                    yield _refuse(name, inner, member.file_size, "encrypted", "needs a password")
                elif member.compress_type not in ZIP_METHODS:
                    method = f"compressed by zip method {member.compress_type}"
                    yield _refuse(name, inner, member.file_size, "unsupported", method)
                else:
                    opened = _opener(archive, member)
                    yield from self._member(name, inner, member.file_size, opened, budget, depth)

    def _tar(self, name: str, path: Path, budget: Budget, depth: int) -> Iterator[Item | None]:
        packed = archive_kind(name) == "tar.gz"
        raw = cast("BinaryIO", _Unpacked(path, budget)) if packed else path.open("rb")
        with raw, tarfile.open(fileobj=raw, mode="r|") as archive:
            for member in archive:
                budget.count()
                if member.isdir():
                    continue
                if not member.isfile():
                    kind = "a link" if member.issym() or member.islnk() else "no regular file"
                    yield _refuse(name, member.name, member.size, "unsafe-path", kind)
                    continue
                if member.issparse():
                    # Its holes are filled with zeros that no bound of unpacking counts.
                    sparse = "a sparse file, which a small archive can make of any size"
                    yield _refuse(name, member.name, member.size, "unsupported", sparse)
                    continue
                opened = _tar_opener(archive, member)
                yield from self._member(name, member.name, member.size, opened, budget, depth)

    def _gz(self, name: str, path: Path, budget: Budget, depth: int) -> Iterator[Item | None]:
        inner = name.rsplit("/", 1)[-1][:-3]
        whole = f"{name}/{inner}"
        if not self._is_wanted(whole, nested=bool(archive_kind(inner))):
            yield None
            return
        budget.count()
        with _Unpacked(path, budget) as stream:
            packed = cast("BinaryIO", stream)
            yield from self._unpacked(whole, packed, budget, depth)

    def _member(
        self,
        archive: str,
        inner: str,
        size: int,
        opened: Callable[[], BinaryIO],
        budget: Budget,
        depth: int,
    ) -> Iterator[Item | None]:
        while inner.startswith("./"):
            inner = inner[2:]
        if problem := unsafe_name(inner):
            yield _refuse(archive, inner, size, "unsafe-path", problem)
            return
        name = f"{archive}/{inner}"
        if is_hidden(inner) or not self._is_wanted(name, nested=bool(archive_kind(inner))):
            yield None
            return
        limit = self._limit(inner)
        if size > limit:
            yield _refuse(archive, inner, size, "too-large", f"more than {limit >> 20} MiB")
            return
        try:
            with damage_told("cannot be unpacked"), opened() as stream:
                yield from self._unpacked(name, stream, budget, depth)
        except Damaged as damaged:
            # A broken member of a zip says nothing of the others; a tar ends with it.
            if archive_kind(archive) != "zip":
                raise
            yield _refuse(archive, inner, size, damaged.reason, damaged.detail)

    def _is_wanted(self, name: str, *, nested: bool) -> bool:
        """Whether a member is to be read; an archive is, for what may be in it."""
        wanted = nested or is_wanted(name, self._config.include)
        return wanted and not matches(name, self._config.exclude)

    def _unpacked(
        self, name: str, stream: BinaryIO, budget: Budget, depth: int
    ) -> Iterator[Item | None]:
        """Write a member to a scratch file and give it, or the files in it."""
        limit = self._limit(name)
        target = self._scratch / f"member-{next(self._targets)}"
        kept = False
        try:
            with target.open("wb") as file:
                shutil.copyfileobj(_Limited(stream, limit), file, _BLOCK)
            size = target.stat().st_size
            if size > limit:
                yield Unreadable(name, size, "too-large", f"more than {limit >> 20} MiB")
            elif archive_kind(name):
                yield from self._open(name, target, budget, depth + 1)
            else:
                kept = True
                yield Found(name, target, size, temporary=True)
        finally:
            if not kept:
                target.unlink(missing_ok=True)

    def _limit(self, name: str) -> int:
        bounds = self._bounds
        return (bounds.max_archive_mb if archive_kind(name) else bounds.max_file_mb) << 20


class _Limited:
    """Reads at most one byte more than a limit."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._left = limit + 1

    def read(self, count: int = _BLOCK) -> bytes:
        data = self._stream.read(min(count, self._left))
        self._left -= len(data)
        return data


def _refuse(archive: str, inner: str, size: int, reason: str, detail: str) -> Unreadable:
    return Unreadable(f"{archive}/{printable(inner)}", size, reason, detail)


def _opener(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    return lambda: cast("BinaryIO", archive.open(member))


def _tar_opener(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], BinaryIO]:
    return lambda: cast("BinaryIO", archive.extractfile(member))
