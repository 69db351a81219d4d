"""What the S3 library and the disk raise, as Graftline's errors.

TransientError
├── StoreUnavailable    no entry, or no use to be made of it
│   └── StoreSilent     no answer
├── StoreRefused        the store could not carry it out (disk full, internal error, too busy)
└── CorruptBlob         what came back is not what was written
ConfigError             the bucket is missing, the store cannot do what we need
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from graftline.errors import (
    ConfigError,
    DataError,
    GraftlineError,
    StoreUnavailable,
    TransientError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.exceptions import BotoCoreError, ClientError

_KEY_HINT = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the AWS profile)"
_ENDPOINT_HINT = "is the server running? check AWS_ENDPOINT_URL and --store"
_FULL_DISK = {errno.ENOSPC, errno.EDQUOT}
_READING = {"GetObject", "HeadObject", "HeadBucket", "ListObjectsV2", "ListMultipartUploads"}
_NOT_FOUND = {"404", "NoSuchKey", "NotFound"}
_BUSY_STATUSES = {408, 429}
_BUSY = {"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequests"}
_STALE_TOKENS = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired"}


class StoreSilent(StoreUnavailable):
    """Nothing answers at the store's address."""


class StoreRefused(TransientError):
    """The store could not carry a request out (an internal error, a full disk, too many others)."""


class CorruptBlob(TransientError):
    """A blob is missing from the store, or its bytes are not those of its digest."""


@contextmanager
def translated(action: str, place: str) -> Iterator[None]:
    """Turn errors of the S3 library and of the local disk into ours.

    Args:
        action: What is being done, as `read steps/…/manifest.binpb`.
        place: Where, as `store s3://bucket/prefix at http://host:port`.

    Raises:
        GraftlineError: With one line of cause and what to do.
    """
    import botocore.exceptions as s3_errors

    try:
        yield
    except s3_errors.ClientError as error:
        raise _refusal(error, action, place) from error
    except (s3_errors.NoCredentialsError, s3_errors.PartialCredentialsError) as error:
        raise StoreUnavailable(f"{place}: no complete credentials were given", _KEY_HINT) from error
    except (s3_errors.ProfileNotFound, s3_errors.ConfigParseError) as error:
        raise ConfigError(f"{place}: {error}", "check AWS_PROFILE and ~/.aws/config") from error
    except (s3_errors.ParamValidationError, s3_errors.InvalidRegionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{place}: cannot {action}: {reason}") from error
    except (s3_errors.HTTPClientError, s3_errors.ConnectionError) as error:
        reason = _short(error)
        raise StoreSilent(f"{place} does not answer ({reason})", _ENDPOINT_HINT) from error
    except s3_errors.BotoCoreError as error:
        reason = " ".join(str(error).split())
        raise StoreUnavailable(f"{place}: cannot {action}: {reason}", _ENDPOINT_HINT) from error
    except ValueError as error:
        # botocore's answer to an endpoint that is no URL, and to a malformed one.
        raise ConfigError(f"{place}: cannot {action}: {error}", "check AWS_ENDPOINT_URL") from error


@contextmanager
def local_disk(action: str) -> Iterator[None]:
    """Turn errors of the local disk into ours.

    Raises:
        TransientError: The disk is full.
        DataError: A file cannot be read or written.
    """
    try:
        yield
    except OSError as error:
        where = f" '{error.filename}'" if error.filename else ""
        if error.errno in _FULL_DISK:
            raise TransientError(
                f"cannot {action}: no space left on the local disk{where}",
                "free some space and run the same command again",
            ) from error
        raise DataError(f"cannot {action}{where}: {error.strerror or error}") from error


def is_absent(error: ClientError) -> bool:
    """Whether an answer says that the object (not the bucket) is not there."""
    return _code(error) in _NOT_FOUND


def status_of(error: ClientError) -> int:
    """The HTTP status of an answer; 0 if it had none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def was_retried(error: ClientError) -> bool:
    """Whether the library had sent the request more than once."""
    return int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)) > 0


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _refusal(error: ClientError, action: str, place: str) -> GraftlineError:
    code, status = _code(error), status_of(error)
    details: dict[str, Any] = dict(error.response.get("Error", {}))
    if code == "NoSuchBucket":
        return ConfigError(
            f"{place}: there is no such bucket", "create it, or name another with --store"
        )
    if status in (401, 403) or code in _STALE_TOKENS:
        if code in ("403", ""):
            code = "403 Forbidden"
        return StoreUnavailable(f"{place} refuses our credentials ({code})", _KEY_HINT)
    if status == 501 or code == "NotImplemented":
        return ConfigError(
            f"{place} cannot {action}: it does not implement this request",
            "use a store with conditional writes (S3, SeaweedFS, MinIO, R2)",
        )
    said = " ".join(str(details.get("Message", "")).split())
    if status in _BUSY_STATUSES or code in _BUSY:
        return StoreRefused(
            f"{place}: cannot {action}: {code or status}: {said}",
            "it is asked too much at the moment: run the same command again",
        )
    if status >= 500:
        writing = error.operation_name not in _READING
        hint = "its disk may be full: free some space there" if writing else "look at its log"
        return StoreRefused(
            f"{place}: cannot {action}: {code or status}: {said}",
            f"{hint} and run the same command again",
        )
    if status in (404, 416):
        lacks = "it is not there" if status == 404 else "it is cut"
        return CorruptBlob(f"{place}: cannot {action}: {lacks}", "run the recipe again")
    return ConfigError(f"{place}: cannot {action}: {code or status}: {said}")


def _short(error: BotoCoreError) -> str:
    """The innermost reason: the rest is the library's own wrapping."""
    text = " ".join(str(error.kwargs.get("error", error)).split())
    for lead in ("Failed to establish a new connection: ", "Failed to resolve "):
        text = text.rpartition(lead)[2]
    return text if len(text) < 160 else f"{text[:157]}…"
