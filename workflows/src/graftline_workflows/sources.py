"""Fingerprints of what enters from outside the store, for the keys of the steps that read it.

- a path, `file://`, `package://module/file`: `sha256:` over relative paths and contents;
- `s3://bucket/prefix`: `etag:`, a digest over names, sizes and ETags of its objects, so that
  planning downloads nothing; the same files uploaded in other parts count as others;
- `s3://…/sources/<sha256>`, where `graftline submit` puts a local source: that `sha256:`, so that
  the cluster's keys are a laptop's; the runner verifies it;
- `https://…`: fetched into the home folder, and from then on that file;
- `hf://org/name@<40 hex>`, `hf://datasets/…`: `rev:`, that revision as it is; without one, or with
  a branch or tag, the revision that the Hub gives for it now, and the URI is pinned to it.

Digests of local files are remembered by path, size, modification time and inode, so that a second
plan does not read a gigabyte again.
"""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graftline.canonical import sha256_file
from graftline.errors import ConfigError, DataError, GraftlineError
from graftline.sources import content_fingerprint, list_bucket, local_path
from graftline_workflows.web import WebFiles, is_web

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graftline.store import Store
    from graftline_workflows.recipe import ResolvedRecipe

_RACY_S = 2.0
"""A file changed this short a time ago may change again without a new modification time."""

_ENTRY_PARTS = 4  # size, time, inode, digest
_REVISION = re.compile(r"[0-9a-f]{40}")
_HUB = re.compile(
    r"hf://(?P<dataset>datasets/)?(?P<name>[\w.-]+(/[\w.-]+)?)(@(?P<revision>[^@]+))?"
)


@dataclass(frozen=True)
class Fingerprint:
    """What a source is.

    Args:
        uri: Where it is; a Hub's name has its revision pinned, a web address is the file fetched.
        fingerprint: What the key counts.
    """

    uri: str
    fingerprint: str


def fingerprint_sources(
    recipe: ResolvedRecipe,
    cache_file: Path | None = None,
    open_store: Callable[[str], Store] | None = None,
    known: Mapping[str, str] | None = None,
    web: WebFiles | None = None,
) -> dict[str, Fingerprint]:
    """Fingerprint every source of a recipe: by its URI.

    Args:
        recipe: The recipe.
        cache_file: Where digests of local files are remembered; nowhere if not given.
        open_store: Opens an `s3://` source (`Store.open` if not given).
        known: Fingerprints by URI, of sources that need not be here to be planned with.
        web: Fetches from the web; nothing is, if not given.

    Raises:
        ConfigError: A source is of an unknown kind or cannot be pinned; step and parameter named.
        DataError: A source does not exist or is empty; step and parameter named.
    """
    cache = DigestCache(cache_file)
    found = {uri: Fingerprint(uri, told) for uri, told in (known or {}).items()}
    for step in recipe.steps:
        for source in step.sources:
            if source.uri in found:
                continue
            try:
                found[source.uri] = fingerprint(source.uri, cache.sha256, open_store, web)
            except GraftlineError as error:
                name = source.parameter or f"{step.name}.{source.setting}"
                kind = "parameter" if source.parameter else "setting"
                raise type(error)(f"{kind} '{name}': {error.cause}", error.hint) from error
    cache.save()
    return found


def fingerprint(
    uri: str,
    digest: Callable[[Path], str] = sha256_file,
    open_store: Callable[[str], Store] | None = None,
    web: WebFiles | None = None,
) -> Fingerprint:
    """Fingerprint one source.

    Raises:
        ConfigError: It is of an unknown kind, or cannot be pinned.
        DataError: It does not exist or is empty.
        TransientError: The web does not answer.
    """
    if is_web(uri):
        if web is None:
            raise ConfigError(
                f"source '{uri}': web addresses are not read in the cluster",
                "graftline submit fetches it where it runs, and sends it",
            )
        uri = str(web.fetch(uri))
    if uri.startswith("hf://"):
        return _hub_revision(uri)
    if uri.startswith("s3://"):
        return Fingerprint(uri, list_bucket(uri, open_store).fingerprint)
    path = local_path(uri)
    _refuse_empty(path, uri)
    try:
        return Fingerprint(uri, content_fingerprint(path, digest))
    except OSError as error:
        raise DataError(f"source '{uri}' cannot be read: {error.strerror}") from error


def _refuse_empty(path: Path, uri: str) -> None:
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"source '{uri}' is an empty file")


def _hub_revision(uri: str) -> Fingerprint:
    match = _HUB.fullmatch(uri)
    if match is None:
        raise ConfigError(
            f"source '{uri}': no name of the Hub",
            "allowed: hf://org/name, hf://org/name@revision, hf://datasets/org/name",
        )
    name, revision = match["name"], match["revision"]
    prefix = match["dataset"] or ""
    if not (revision and _REVISION.fullmatch(revision)):
        revision = _resolve_revision(uri, name, revision, "dataset" if prefix else "model")
    return Fingerprint(f"hf://{prefix}{name}@{revision}", f"rev:{revision}")


def _resolve_revision(uri: str, name: str, revision: str | None, kind: str) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    pin = f"pin the revision: {uri.partition('@')[0]}@<40 hexadecimal characters>"
    try:
        info = HfApi().repo_info(name, repo_type=kind, revision=revision, timeout=20)
    except GatedRepoError as error:
        raise ConfigError(
            f"source '{uri}': the Hub gives it only to people who accepted its terms",
            "accept them on its page and set HF_TOKEN",
        ) from error
    except RevisionNotFoundError as error:
        raise ConfigError(f"source '{uri}': the {kind} has no revision '{revision}'") from error
    except RepositoryNotFoundError as error:
        raise ConfigError(
            f"source '{uri}': the Hub has no such {kind}, or it is private",
            "check the name; set HF_TOKEN for a private one",
        ) from error
    except Exception as error:  # whatever HTTP library the Hub's client stands on
        raise ConfigError(
            f"source '{uri}': the Hub cannot be asked for its revision ({error})", pin
        ) from error
    if not info.sha:
        raise ConfigError(f"source '{uri}': the Hub names no revision", pin)
    return str(info.sha)


class DigestCache:
    """Remembers files' digests; a file that changed a moment ago is not remembered.

    Args:
        path: The file that it is kept in; nothing is kept if not given.
    """

    def __init__(self, path: Path | None) -> None:
        """Read what is remembered; a damaged file counts as empty."""
        self._path = path
        self._entries: dict[str, list[Any]] = {}
        self._changed = False
        if path is not None and path.is_file():
            try:
                entries = json.loads(path.read_text("utf-8"))
                known = entries if isinstance(entries, dict) else {}
                self._entries = {name: item for name, item in known.items() if _is_entry(item)}
            except (OSError, ValueError):
                self._entries = {}

    def sha256(self, path: Path) -> str:
        """Give a file's digest, read only if the file is not the one remembered."""
        status = path.stat()
        state = [status.st_size, status.st_mtime_ns, status.st_ino]
        remembered = self._entries.get(str(path))
        if remembered and remembered[:3] == state:
            return str(remembered[3])
        started = time.time()
        digest = sha256_file(path)
        if started - status.st_mtime > _RACY_S:
            self._entries[str(path)] = [*state, digest]
            self._changed = True
        return digest

    def save(self) -> None:
        """Write what is remembered; failing to is no error, only slower next time."""
        if self._path is None or not self._changed:
            return
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(self._entries), "utf-8")
            temporary.replace(self._path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()


def _is_entry(item: Any) -> bool:
    return isinstance(item, list) and len(item) == _ENTRY_PARTS and isinstance(item[-1], str)
