"""Whether a store will do: its bucket is there, and it keeps the promises that commits rely on."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from graftline.errors import ConfigError
from graftline.store.failures import status_of, translated
from graftline.store.names import PROBE

if TYPE_CHECKING:
    from graftline.store.objects import Store

_NO_ETAG = '"00000000000000000000000000000000"'


def probe_bucket(store: Store, *, create: bool) -> None:
    """Look at the bucket, and make it if it is missing and that is wanted.

    Raises:
        StoreUnavailable: The store does not answer, or does not let us in.
        ConfigError: The bucket is missing.
    """
    from botocore.exceptions import ClientError

    with translated("look at the bucket", store.place):
        try:
            store.client.head_bucket(Bucket=store.bucket)
        except ClientError as error:
            if status_of(error) != 404:
                raise
            if not create:
                raise ConfigError(
                    f"{store.place}: there is no bucket '{store.bucket}'",
                    "create it, or name another with --store",
                ) from error
            store.client.create_bucket(Bucket=store.bucket)


def probe_conditions(store: Store) -> None:
    """Make sure, with an object that is gone afterwards, that conditional writes are honoured.

    Raises:
        ConfigError: They are not.
        GraftlineError: The store does not let us write.
    """
    name = f"{PROBE}{secrets.token_hex(8)}"
    try:
        honoured = store.put_new(name, b"1") and not store.put_new(name, b"2")
        if honoured:
            found = store.get(name)
            honoured = (
                found is not None
                and not store.replace(name, b"3", _NO_ETAG)
                and store.replace(name, b"4", found.etag)
            )
    finally:
        store.delete([name])
    if not honoured:
        raise ConfigError(
            f"{store.place} does not honour conditional writes (If-None-Match, If-Match):"
            " two runs could overwrite each other",
            "use a store that does (S3, SeaweedFS, MinIO, R2)",
        )
