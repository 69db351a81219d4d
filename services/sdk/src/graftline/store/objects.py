"""A bucket and a prefix: small objects, listings, conditional writes.

Large files go through `graftline.store.transfer`.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from graftline.canonical import sha256_bytes
from graftline.errors import ConfigError, TransientError
from graftline.store.failures import is_absent, status_of, translated, was_retried

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from graftline.store.transfer import Progress

_DIGEST_FIELD = "graftline-sha256"
_CONFLICT_ATTEMPTS = 8
_CONFLICT_DELAY_S = 0.05
_DELETE_BATCH = 1000


@dataclass(frozen=True)
class StoredObject:
    """A small object as it was read.

    Args:
        data: Its bytes.
        etag: Names this version of it, for `replace`.
        intact: False if its bytes are not those that were written (by the digest kept with it).
    """

    data: bytes
    etag: str
    intact: bool = True


@dataclass(frozen=True)
class ObjectInfo:
    """An object as a listing or a look at it tells.

    Args:
        name: Below the store's prefix.
        size: Bytes.
        etag: Names this version of it.
        modified: When it was written.
    """

    name: str
    size: int
    etag: str
    modified: datetime


class Store:
    """Objects under `s3://bucket/prefix`. Names are relative to the prefix. Safe for threads.

    Args:
        client: A boto3 S3 client.
        bucket: The bucket.
        prefix: Without slashes at its ends; may be empty.
    """

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        """Keep the client; nothing is sent."""
        self.client = client
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        self.uri = f"s3://{bucket}/{self.prefix}" if self.prefix else f"s3://{bucket}"
        self.endpoint: str = client.meta.endpoint_url
        self.place = f"store {self.uri} at {self.endpoint}"

    @classmethod
    def open(cls, uri: str, environment: Mapping[str, str] | None = None) -> Store:
        """Open a store; nothing is sent, so that this succeeds for any well-formed address.

        Args:
            uri: `s3://bucket` or `s3://bucket/prefix`.
            environment: `AWS_*` settings in place of the process's own.

        Raises:
            ConfigError: The address or an `AWS_*` setting cannot be meant.
        """
        scheme, separator, rest = uri.partition("://")
        bucket, _, prefix = rest.partition("/")
        if scheme != "s3" or not separator or not bucket:
            raise ConfigError(f"store '{uri}' is not of the form s3://bucket/prefix")
        from graftline.store.client import make_client

        with translated("open it", f"store {uri}"):
            client = make_client(environment)
        return cls(client, bucket, prefix)

    def full_name(self, name: str) -> str:
        """The object's key in the bucket."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def get(self, name: str) -> StoredObject | None:
        """Read a small object, or nothing if it is not there.

        Raises:
            GraftlineError: The store cannot be read.
        """
        from botocore.exceptions import ClientError

        with translated(f"read {name}", self.place):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=self.full_name(name))
            except ClientError as error:
                if is_absent(error):
                    return None
                raise
            data: bytes = answer["Body"].read()
        written = answer.get("Metadata", {}).get(_DIGEST_FIELD)
        intact = written is None or written == sha256_bytes(data)
        return StoredObject(data, str(answer["ETag"]), intact)

    def put(self, name: str, data: bytes) -> str:
        """Write a small object, whatever is there; give its ETag.

        Raises:
            GraftlineError: It could not be written.
        """
        with translated(f"write {name}", self.place):
            return self._put(name, data)

    def put_new(self, name: str, data: bytes) -> bool:
        """Write an object only if there is none; False if there is one.

        Raises:
            GraftlineError: It could not be written.
        """
        return self._put_if(name, data, {"IfNoneMatch": "*"})

    def replace(self, name: str, data: bytes, etag: str) -> bool:
        """Write an object only over the version of that ETag; False if it is another, or gone.

        Raises:
            GraftlineError: It could not be written.
        """
        return self._put_if(name, data, {"IfMatch": etag})

    def head(self, name: str) -> ObjectInfo | None:
        """Look at an object, or nothing if it is not there.

        Raises:
            GraftlineError: The store cannot be read.
        """
        from botocore.exceptions import ClientError

        with translated(f"look at {name}", self.place):
            try:
                answer = self.client.head_object(Bucket=self.bucket, Key=self.full_name(name))
            except ClientError as error:
                if is_absent(error):
                    return None
                raise
        return ObjectInfo(
            name, int(answer["ContentLength"]), str(answer["ETag"]), answer["LastModified"]
        )

    def list(self, prefix: str = "", *, nested: bool = True) -> Iterator[ObjectInfo]:
        """Give all objects whose names start with a prefix, in order of name, page by page.

        Args:
            prefix: Below the store's own.
            nested: False leaves out what lies below a further slash.

        Raises:
            GraftlineError: The store cannot be read.
        """
        options: dict[str, Any] = {} if nested else {"Delimiter": "/"}
        cut = len(self.full_name(""))
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.full_name(prefix), **options
        )
        iterator = iter(pages)
        while True:
            with translated(f"list {prefix or 'objects'}", self.place):
                page = next(iterator, None)
            if page is None:
                return
            for item in page.get("Contents", ()):
                yield ObjectInfo(
                    item["Key"][cut:], int(item["Size"]), str(item["ETag"]), item["LastModified"]
                )

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects; those that are not there are no error.

        Raises:
            GraftlineError: One of them could not be removed.
        """
        batch: list[str] = []
        for name in names:
            batch.append(name)
            if len(batch) == _DELETE_BATCH:
                self._delete_batch(batch)
                batch = []
        if batch:
            self._delete_batch(batch)

    def upload(self, path: Path, name: str, progress: Progress | None = None) -> int:
        """Write a file of any size, in parallel parts where that pays; give its size.

        Raises:
            GraftlineError: It could not be written; nothing is visible then.
        """
        from graftline.store.transfer import upload_file

        return upload_file(self, path, name, progress)

    def download(
        self,
        name: str,
        path: Path,
        size: int | None = None,
        sha256: str | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Read an object of any size into a file, which appears only when it is whole.

        Args:
            name: The object.
            path: The file; its folder exists.
            size: What it must have; asked of the store if not given.
            sha256: What it must have, if known.
            progress: Called with the bytes of each part.

        Returns:
            Its sha256.

        Raises:
            CorruptBlob: It is missing, or of another size or digest; no file is left.
            GraftlineError: It could not be read or written.
        """
        from graftline.store.transfer import download_file

        return download_file(self, name, path, size, sha256, progress)

    def probe(self, *, create_bucket: bool = False, reading: bool = False) -> None:
        """Find out whether this store will do, before any work is done.

        Args:
            create_bucket: Make a missing bucket.
            reading: Whether nothing will be written: then nothing is here either.

        Raises:
            StoreUnavailable: It does not answer, or does not let us in.
            ConfigError: The bucket is missing, or conditional writes are not honoured.
        """
        from graftline.store.probing import probe_bucket, probe_conditions

        probe_bucket(self, create=create_bucket)
        if not reading:
            probe_conditions(self)

    def _put(self, name: str, data: bytes, **options: str) -> str:
        answer = self.client.put_object(
            Bucket=self.bucket,
            Key=self.full_name(name),
            Body=data,
            Metadata={_DIGEST_FIELD: sha256_bytes(data)},
            **options,
        )
        return str(answer["ETag"])

    def _put_if(self, name: str, data: bytes, condition: dict[str, str]) -> bool:
        from botocore.exceptions import ClientError

        for attempt in range(_CONFLICT_ATTEMPTS):
            with translated(f"write {name}", self.place):
                try:
                    self._put(name, data, **condition)
                    return True
                except ClientError as error:
                    status = status_of(error)
                    if status == 412 or (is_absent(error) and "IfMatch" in condition):
                        return was_retried(error) and self._holds(name, data)
                    if status != 409:
                        raise
            time.sleep(_CONFLICT_DELAY_S * 2**attempt * random.uniform(0.5, 1.5))
        raise TransientError(
            f"{self.place}: cannot write {name}: others keep writing it (409)",
            "run the same command again",
        )

    def _holds(self, name: str, data: bytes) -> bool:
        """Tell our own first attempt, whose answer was lost, from somebody else's write."""
        found = self.get(name)
        return found is not None and found.data == data

    def _delete_batch(self, names: Sequence[str]) -> None:
        objects = [{"Key": self.full_name(name)} for name in names]
        with translated(f"remove {names[0]}", self.place):
            answer = self.client.delete_objects(
                Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True}
            )
        failed = [item for item in answer.get("Errors", ()) if item.get("Code") != "NoSuchKey"]
        if failed:
            first = failed[0]
            raise TransientError(
                f"{self.place}: cannot remove {len(failed)} objects:"
                f" {first.get('Key')}: {first.get('Code')}"
            )


def utc_now() -> datetime:
    """Now, with its zone, to compare with `ObjectInfo.modified`."""
    return datetime.now(UTC)
