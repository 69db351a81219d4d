"""Sources on the web: fetched here, into the home folder, and from then on local files.

What counts is the content, so the keys are those of the same file on disk; a page that changed is
another source. Pods fetch nothing from the web: `graftline submit` sends what was fetched here.
"""

from __future__ import annotations

import json
import mimetypes
import os
import re
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from graftline.errors import ConfigError, DataError, GraftlineError, TransientError
from graftline_workflows.home import os_error
from graftline_workflows.recipe.secrets import refuse_secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from requests import Response

_SCHEMES = ("http://", "https://")
_MOST_BYTES = 8 * 2**30
_PIECE_BYTES = 1 << 20
_TIMEOUT_S = (10, 60)  # to connect, and between two pieces
_ABOUT = "about.json"
_BEFORE = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
_PACKED = (".gz", ".tgz")
_UNSAFE = re.compile(r"[^\w.-]+")
_TYPES = {"text/markdown": ".md", "application/xhtml+xml": ".html"}


def is_web(uri: str) -> bool:
    """Whether a source is an address on the web."""
    return uri[:8].lower().startswith(_SCHEMES)


class WebFiles:
    """Files of the web, each fetched when it is asked for unless the server says it is the same.

    Args:
        folder: Where they are kept: one folder an address, with the file and what was said of it.
    """

    def __init__(self, folder: Path) -> None:
        """Use a folder; it is made when it is needed."""
        self._folder = folder

    def fetch(self, uri: str) -> Path:
        """Bring a file and give its path; its name is the address's, with a suffix.

        Raises:
            ConfigError: The address cannot be used as it is, or the server refuses.
            DataError: There is nothing at it, or too much.
            TransientError: The server does not answer, or not in full.
        """
        refuse_secret(uri)
        import requests

        folder = self._folder / sha256(uri.encode()).hexdigest()[:16]
        about, known = _remembered(folder)
        # What is kept is the file itself, not a form that a server packs for the way.
        about["Accept-Encoding"] = "identity"
        try:
            with requests.get(uri, headers=about, stream=True, timeout=_TIMEOUT_S) as response:
                if known is not None and response.status_code == requests.codes.not_modified:
                    return known
                _check(uri, response)
                return _save(uri, response, folder)
        except requests.RequestException as error:
            if isinstance(error, requests.exceptions.InvalidURL):
                raise ConfigError(f"source '{uri}' is no address: {error}") from error
            raise TransientError(
                f"source '{uri}' cannot be fetched: {_reason(error)}", "try again, or name a file"
            ) from error
        except OSError as error:
            raise os_error(error, f"cannot keep source '{uri}'") from error


def _remembered(folder: Path) -> tuple[dict[str, str], Path | None]:
    """Give the headers that ask for news only, and the file that there is."""
    try:
        about = json.loads((folder / _ABOUT).read_text("utf-8"))
        path = folder / about["name"]
        if path.stat().st_size != about["size"]:
            return {}, None
    except (OSError, ValueError, TypeError, KeyError):
        return {}, None
    return {ask: about[said] for said, ask in _BEFORE.items() if about.get(said)}, path


def _check(uri: str, response: Response) -> None:
    status = f"{response.status_code} {response.reason or ''}".strip()
    said = f"source '{uri}': the server answers {status}"
    if response.status_code in (401, 403, 407):
        raise ConfigError(said, "download the file with what it asks for, and name the file")
    if response.status_code in (408, 425, 429) or response.status_code >= 500:
        raise TransientError(said, "try again later")
    if response.status_code != 200:
        raise DataError(said, "check the address")


def _save(uri: str, response: Response, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _name(uri, response.headers.get("Content-Type", ""))
    fresh = folder / f".{os.getpid()}.new"
    size = 0
    try:
        with fresh.open("wb") as file:
            for piece in _pieces(response, path):
                size += len(piece)
                if size > _MOST_BYTES:
                    raise DataError(
                        f"source '{uri}' has more than {_MOST_BYTES >> 30} GiB",
                        "put it in a bucket, and name s3://bucket/prefix",
                    )
                file.write(piece)
        if not size:
            raise DataError(f"source '{uri}' is empty")
        # First the file, then what is said of it: news that were cut off are asked for again.
        (folder / _ABOUT).unlink(missing_ok=True)
        fresh.replace(path)
    except (GraftlineError, OSError):
        with suppress(OSError):
            fresh.unlink()
        raise
    about = {name: response.headers[name] for name in _BEFORE if name in response.headers}
    text = json.dumps({"uri": uri, "name": path.name, "size": size, **about})
    (folder / _ABOUT).write_text(text, "utf-8")
    return path


def _pieces(response: Response, path: Path) -> Iterator[bytes]:
    """Give the body; a packed file as it is, though a server may call that an encoding."""
    if path.name.lower().endswith(_PACKED):
        pieces: Iterator[bytes] = response.raw.stream(_PIECE_BYTES, decode_content=False)
        return pieces
    return response.iter_content(_PIECE_BYTES)


def _name(uri: str, content_type: str) -> str:
    """Name a file by its address; readers go by the suffix, so one without gets its type's."""
    last = unquote(urlsplit(uri).path).rpartition("/")[2]
    name = _UNSAFE.sub("-", last).strip(".-") or "index"
    if re.search(r"\.\w{1,8}$", name):
        return name
    kind = content_type.partition(";")[0].strip().lower()
    return f"{name}{_TYPES.get(kind) or mimetypes.guess_extension(kind) or ''}"


def _reason(error: Exception) -> str:
    """Say why in a few words: what lies at the bottom, without the libraries' own names."""
    while (below := error.__cause__ or error.__context__ or getattr(error, "reason", None)) and (
        isinstance(below, Exception)
    ):
        error = below
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
