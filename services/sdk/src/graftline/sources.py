"""What enters from outside the store: where it is, and what it is.

| URI | local path | fingerprint |
|---|---|---|
| a path or `file://…` | itself | `sha256:` over relative paths and contents |
| `package://module/resource` | a file of an installed Python package | the same |
| `s3://bucket/prefix` | downloaded by the runner | `etag:` over names, sizes and ETags |
| `s3://…/sources/<sha256>[/file]` | the same, and verified | `sha256:`, as its address says |
| `hf://…@revision` | fetched by the stage | `rev:<revision>` |
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from graftline.canonical import digest_of, digest_of_files, sha256_file
from graftline.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from graftline.store import ObjectInfo, Store

_REMOTE = ("s3://", "hf://")


def is_remote(uri: str) -> bool:
    """Whether a source has no local path before somebody fetches it."""
    return uri.startswith(_REMOTE)


def local_path(uri: str) -> Path:
    """Give the local file or folder that a source names.

    Raises:
        ConfigError: It is no local source, or its package is not installed.
        DataError: It does not exist, or is an empty folder.
    """
    if uri.startswith("package://"):
        path = _package_path(uri)
    elif uri.startswith("file://"):
        path = Path(unquote(urlparse(uri).path))
    elif "://" in uri:
        raise ConfigError(
            f"source '{uri}': this kind of address is not supported",
            "allowed: a path, file://, package://module/file, s3://bucket/prefix, hf://org/name",
        )
    else:
        path = user_path(uri)
    if not path.exists():
        raise DataError(f"source '{uri}' does not exist", "check the path")
    if path.is_dir() and not any(path.iterdir()):
        raise DataError(f"source '{uri}' is an empty folder")
    return path.resolve()


def user_path(text: str) -> Path:
    """Give the path that a user wrote, `~` and `~name` resolved.

    Raises:
        ConfigError: There is no such user.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"'{text}': nobody's home folder is known by that name") from error


def source_files(path: Path) -> list[tuple[str, Path]]:
    """List a source's files as (relative path, file), sorted; hidden ones are left out.

    Raises:
        DataError: There are none, or one whose name is no UTF-8.
        OSError: A folder cannot be looked into.
    """
    if path.is_file():
        files = [(path.name, path)]
    else:
        files = sorted((item.relative_to(path).as_posix(), item) for item in _files_below(path))
    if not files:
        raise DataError(f"source '{path}' has no files")
    odd = [name for name, _ in files if not _is_unicode(name)]
    if odd:
        raise DataError(f"source '{path}': the file name {odd[0]!r} is no UTF-8", "rename it")
    return files


def _files_below(folder: Path) -> Iterator[Path]:
    """Give a folder's files; one that cannot be looked into is an error, not nothing."""

    def refuse(error: OSError) -> None:
        raise error

    for name, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [one for one in folders if not one.startswith(".")]
        paths = (Path(name, one) for one in files if not one.startswith("."))
        yield from (one for one in paths if one.is_file())


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def content_fingerprint(path: Path, digest: Callable[[Path], str] = sha256_file) -> str:
    """Digest a local source by relative paths and contents; a single file by its name and content.

    The name counts because a reader may go by it: a suffix tells a format.

    Args:
        path: A file or a folder.
        digest: Gives a file's sha256; a planner passes one that remembers.

    Raises:
        DataError: It has no files.
    """
    files = ((relative, digest(file)) for relative, file in source_files(path))
    return f"sha256:{digest_of_files(files)}"


@dataclass(frozen=True)
class BucketSource:
    """The objects that an `s3://` source names.

    Args:
        store: Opened at the folder that holds them.
        objects: (relative path, the object), sorted.
        single: Whether the source names one object, not a folder.
        digest: What its address says of its content, if it was sent to the store by that.
    """

    store: Store
    objects: tuple[tuple[str, ObjectInfo], ...]
    single: bool
    digest: str = ""

    @property
    def fingerprint(self) -> str:
        """Planning downloads nothing: the address's digest, or one over names, sizes and ETags."""
        if self.digest:
            return f"sha256:{self.digest}"
        return f"etag:{digest_of([[path, item.size, item.etag] for path, item in self.objects])}"


def list_bucket(uri: str, open_store: Callable[[str], Store] | None = None) -> BucketSource:
    """List what an `s3://` source names.

    Raises:
        ConfigError: It names no bucket or no prefix.
        DataError: There is nothing.
    """
    from graftline.store import Store
    from graftline.store.names import source_digest

    open_store = open_store or Store.open
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    if not bucket or not prefix.strip("/"):
        raise ConfigError(f"source '{uri}': must be s3://bucket/prefix or s3://bucket/file")
    folder, _, last = prefix.rstrip("/").rpartition("/")
    store = open_store(f"s3://{bucket}/{folder}" if folder else f"s3://{bucket}")
    single = store.head(last)
    if single is not None:
        digest = source_digest(folder)
        alone = bool(digest) and len(list(store.list(""))) == 1
        return BucketSource(store, ((last, single),), True, digest if alone else "")
    objects = [
        (item.name.removeprefix(f"{last}/"), item)
        for item in store.list(f"{last}/")
        if not item.name.endswith("/")  # some tools put an object where a folder would be
    ]
    if not any(item.size for _, item in objects):
        raise DataError(f"source '{uri}' does not exist or is empty", "check bucket and prefix")
    objects.sort(key=lambda pair: pair[0])
    return BucketSource(store, tuple(objects), False, source_digest(prefix))


def _package_path(uri: str) -> Path:
    module, _, resource = uri.removeprefix("package://").partition("/")
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"source '{uri}': the Python package '{module}' is not installed",
            f"install the distribution that has the module '{module}'",
        )
    return Path(spec.submodule_search_locations[0]) / resource
