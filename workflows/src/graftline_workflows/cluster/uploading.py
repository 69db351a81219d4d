"""A local source, sent to the store by its content: `sources/<sha256>/…`.

What is there already is not sent again, file by file, and within a large file part by part: an
upload that was cut off goes on where it stood.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from graftline.errors import ConfigError, DataError, StoreUnavailable
from graftline.sources import content_fingerprint, local_path, source_files
from graftline.store import Store
from graftline.store.failures import local_disk, translated
from graftline.store.names import SOURCES, source_prefix
from graftline.store.transfer import PARALLEL_FILES, PART_BYTES, in_order, part_ranges
from graftline_workflows.web import is_web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from graftline.store.transfer import Progress
    from graftline_workflows.web import WebFiles

_PARALLEL_PARTS = 4
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_DEFAULT_PORT = 8333


@dataclass(frozen=True)
class LocalSource:
    """A file or a folder of this machine.

    Args:
        uri: As the recipe names it.
        path: Where it is here.
        files: (relative path, file, bytes), sorted.
        digest: sha256 over relative paths and contents.
    """

    uri: str
    path: Path
    files: tuple[tuple[str, Path, int], ...]
    digest: str

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(size for _, _, size in self.files)

    @property
    def name(self) -> str:
        """Where it belongs in a store: one file keeps its name, since a suffix tells a format."""
        folder = source_prefix(self.digest)
        return f"{folder}{self.path.name}" if self.path.is_file() else folder.rstrip("/")


class UploadDisplay(Protocol):
    """Told how an upload goes; from any thread."""

    def begin(self, source: LocalSource, place: str) -> None:
        """A source is about to be sent."""

    def add(self, count: int) -> None:
        """So many bytes are there."""

    def end(self, sent: int | None) -> None:
        """All is there, and so many bytes had to be sent; nothing if it broke off."""


def read_source(
    uri: str, digest: Callable[[Path], str] | None = None, web: WebFiles | None = None
) -> LocalSource:
    """Look at a local source, or fetch one from the web, and digest it.

    Args:
        uri: The source.
        digest: Gives a file's sha256; one that remembers saves reading it again.
        web: Fetches from the web.

    Raises:
        GraftlineError: It does not exist, is empty, or cannot be read or fetched.
    """
    path = web.fetch(uri) if web is not None and is_web(uri) else local_path(uri)
    with local_disk(f"read source '{uri}'"):
        files = tuple((name, file, file.stat().st_size) for name, file in source_files(path))
        if not any(size for _, _, size in files):
            raise DataError(f"source '{uri}' is empty")
        fingerprint = content_fingerprint(path, digest) if digest else content_fingerprint(path)
    return LocalSource(uri, path, files, fingerprint.removeprefix("sha256:"))


def open_store(store_uri: str, settings: Mapping[str, str] | None, namespace: str) -> Store:
    """Open the store for an upload.

    Args:
        store_uri: What the user named (`--store`, GRAFTLINE_STORE); empty for the installation's.
        settings: The installation's settings; nothing where they cannot be read.
        namespace: The installation's namespace, for messages.

    Raises:
        GraftlineError: It is not known where, or it does not answer from here.
    """
    if store_uri:
        store = Store.open(store_uri)
        store.head(SOURCES)
        return store
    if not settings or not settings.get("store"):
        raise ConfigError(
            f"a local source goes to the store first, and namespace '{namespace}' does not say"
            " which it is",
            "name it: --store s3://bucket/prefix (and AWS_* for its address and credentials)",
        )
    environment = dict(os.environ)
    endpoint = next((environment[name] for name in _ENDPOINTS if environment.get(name)), "")
    if not endpoint and settings.get("store-endpoint"):
        endpoint = environment[_ENDPOINTS[0]] = settings["store-endpoint"]
    if settings.get("store-region"):
        environment.setdefault("AWS_REGION", settings["store-region"])
    store = Store.open(settings["store"], environment)
    try:
        store.head(SOURCES)
    except StoreUnavailable as error:
        raise type(error)(error.cause, _way_there(endpoint, namespace) or error.hint) from error
    return store


def upload_source(store: Store, source: LocalSource, display: UploadDisplay) -> str:
    """Send what the store lacks of a source; give its `s3://` address.

    Raises:
        GraftlineError: It could not be sent, or changed meanwhile.
    """
    display.begin(source, store.uri)
    before = [file.stat().st_mtime_ns for _, file, _ in source.files]

    def send(item: tuple[str, Path, int]) -> int:
        relative, file, size = item
        name = source.name if source.path.is_file() else f"{source.name}/{relative}"
        return _send_file(store, file, size, name, display.add)

    sent: int | None = None
    try:
        with local_disk(f"read source '{source.uri}'"):
            count = sum(in_order(send, source.files, PARALLEL_FILES))
            after = [file.stat().st_mtime_ns for _, file, _ in source.files]
        if before != after:
            raise DataError(f"source '{source.uri}' changed while it was read", "submit it again")
        sent = count
    finally:
        display.end(sent)
    return f"{store.uri}/{source.name}"


def _send_file(store: Store, file: Path, size: int, name: str, progress: Progress) -> int:
    """Send a file unless it is there; give the bytes sent. Its name tells its content."""
    there = store.head(name)
    if there is not None and there.size == size:
        progress(size)
        return 0
    if size <= PART_BYTES:
        return store.upload(file, name, progress)
    with local_disk(f"read {file}"), translated(f"write {name}", store.place):
        return _send_parts(store, file, size, name, progress)


def _send_parts(store: Store, file: Path, size: int, name: str, progress: Progress) -> int:
    """Go on with an upload that was cut off, or begin one; what is left over, gc takes away."""
    target = {"Bucket": store.bucket, "Key": store.full_name(name)}
    upload, there = _begun(store.client, target)
    if not upload:
        upload = store.client.create_multipart_upload(**target)["UploadId"]
    sent = 0

    def send(item: tuple[int, tuple[int, int]]) -> tuple[dict[str, Any], int]:
        number, (offset, length) = item
        with file.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(length)
        etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        sent_now = 0
        if there.get(number) != etag:
            answer = store.client.upload_part(
                **target, UploadId=upload, PartNumber=number, Body=data
            )
            etag, sent_now = answer["ETag"], length
        progress(length)
        return {"PartNumber": number, "ETag": etag}, sent_now

    parts = []
    for part, count in in_order(send, enumerate(part_ranges(size), start=1), _PARALLEL_PARTS):
        parts.append(part)
        sent += count
    store.client.complete_multipart_upload(
        **target, UploadId=upload, MultipartUpload={"Parts": parts}
    )
    return sent


def _begun(client: Any, target: Mapping[str, str]) -> tuple[str, dict[int, str]]:
    """Give the newest unfinished upload of an object, and the ETag of each part that it has."""
    from botocore.exceptions import ClientError

    def pages(operation: str, **options: str) -> Iterator[dict[str, Any]]:
        yield from client.get_paginator(operation).paginate(Bucket=target["Bucket"], **options)

    try:
        uploads = [
            item
            for page in pages("list_multipart_uploads", Prefix=target["Key"])
            for item in page.get("Uploads", ())
            if item["Key"] == target["Key"]
        ]
        if not uploads:
            return "", {}
        upload = str(max(uploads, key=lambda item: item["Initiated"])["UploadId"])
        there = {
            int(part["PartNumber"]): str(part["ETag"])
            for page in pages("list_parts", Key=target["Key"], UploadId=upload)
            for part in page.get("Parts", ())
        }
    except ClientError:  # not every store or every key may list them: begin anew
        return "", {}
    return upload, there


def _way_there(endpoint: str, namespace: str) -> str:
    """Say how to reach a store that has only a name inside the cluster."""
    parts = urlsplit(endpoint)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORT
    if not host or ("." in host and ".svc" not in host):
        return ""
    service, in_namespace = [*host.split("."), ""][:2]
    namespace = in_namespace if ".svc" in host else namespace
    return (
        f"that address is the cluster's own; from here: kubectl -n {namespace} port-forward"
        f" service/{service} {port} & AWS_ENDPOINT_URL_S3=http://127.0.0.1:{port}, with"
        " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the store's Secret"
    )
