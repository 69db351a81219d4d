"""Fetching a model from the Hugging Face Hub, or a mirror of it, at one commit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from graftline.errors import ConfigError, DataError, GraftlineError, TransientError
from graftline_model.folder import PICKLE_SUFFIXES, TOKENIZER_FILES

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEME = "hf://"
_COMMIT = re.compile(r"^[0-9a-f]{40}$")
_WANTED = (
    "*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json",
    "chat_template.jinja", "chat_template.json", *TOKENIZER_FILES,
)  # fmt: skip
_UNWANTED = ("*/*", "consolidated*", "adapter_*")


@dataclass(frozen=True)
class Fetched:
    """A repository's files at one commit."""

    path: Path
    name: str
    commit: str


def split_uri(uri: str, revision: str) -> tuple[str, str]:
    """Take `hf://org/name@revision` apart; without a revision: `main`.

    Raises:
        ConfigError: It is no such name, or two different revisions are given.
    """
    name, _, stated = uri.removeprefix(SCHEME).partition("@")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        raise ConfigError(f"uri: '{uri}' is not of the form hf://org/name@revision")
    if stated and revision and stated != revision:
        raise ConfigError(f"revision: '{revision}' differs from the uri's '{stated}'; give one")
    return name, stated or revision or "main"


def fetch(uri: str, revision: str, endpoint: str, say: Callable[[str], None]) -> Fetched:
    """Download what a model needs (safetensors, config, tokenizer), or use the local cache.

    A commit that is in the cache already needs no network.

    Raises:
        ConfigError: There is no such repository or revision, or it is gated.
        DataError: It has no safetensors.
        TransientError: The Hub cannot be reached.
    """
    name, wanted = split_uri(uri, revision)
    try:
        return _cached(name, wanted, endpoint) or _download(name, wanted, endpoint, say)
    except GraftlineError:
        raise
    except Exception as error:
        known = _explain(error, name, wanted)
        if known is None:
            raise
        raise known from error


def _cached(name: str, revision: str, endpoint: str) -> Fetched | None:
    if not _COMMIT.match(revision):
        return None
    try:
        path = Path(_snapshot(name, revision, endpoint, local=True))
    except (LocalEntryNotFoundError, EntryNotFoundError):
        return None
    # A cancelled download leaves a snapshot without its weights.
    complete = (path / "config.json").is_file() and any(path.glob("*.safetensors"))
    return Fetched(path, name, revision) if complete else None


def _download(name: str, revision: str, endpoint: str, say: Callable[[str], None]) -> Fetched:
    info = HfApi(endpoint=endpoint or None).model_info(name, revision=revision, files_metadata=True)
    files = {item.rfilename: item.size or 0 for item in info.siblings or []}
    weights = {file: size for file, size in files.items() if file.endswith(".safetensors")}
    if not weights:
        pickled = [file for file in files if file.endswith(PICKLE_SUFFIXES)]
        only = f"only pickled weights ({', '.join(pickled[:3])})" if pickled else "no safetensors"
        raise DataError(
            f"{SCHEME}{name}@{revision} has {only}; only safetensors are read",
            "look for a revision or a conversion with safetensors",
        )
    commit = str(info.sha)
    say(f"fetching {name}@{commit[:12]}: {sum(weights.values()) / 1e9:.2f} GB")
    return Fetched(Path(_snapshot(name, commit, endpoint, local=False)), name, commit)


def _snapshot(name: str, revision: str, endpoint: str, *, local: bool) -> str:
    path: str = snapshot_download(
        name,
        revision=revision,
        endpoint=endpoint or None,
        local_files_only=local,
        allow_patterns=list(_WANTED),
        ignore_patterns=list(_UNWANTED),
    )
    return path


def _explain(error: Exception, name: str, revision: str) -> GraftlineError | None:
    """Say what a Hub error means for the user; nothing for an error that is not the Hub's."""
    page = f"https://huggingface.co/{name}"
    if isinstance(error, GatedRepoError):
        return ConfigError(
            f"hf://{name} is gated",
            f"accept its terms at {page}, then set HF_TOKEN to a token of that account",
        )
    if isinstance(error, RevisionNotFoundError):
        return ConfigError(f"hf://{name} has no revision '{revision}'")
    if isinstance(error, (RepositoryNotFoundError, HFValidationError)):
        return ConfigError(
            f"hf://{name} is not on the Hub",
            "check the name; if it is private, set HF_TOKEN to a token that may read it",
        )
    if isinstance(error, OfflineModeIsEnabled):
        return ConfigError(
            f"hf://{name}@{revision} is not in the local cache, and HF_HUB_OFFLINE is set",
            "unset it, or use a folder or s3:// copy of the model",
        )
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code if error.response is not None else None
        if status is not None and status < 500 and status != 429:
            return ConfigError(f"hf://{name}@{revision}: the Hub refused: HTTP {status}")
        return TransientError(f"hf://{name}@{revision}: the Hub failed: {error}".splitlines()[0])
    if isinstance(error, (HTTPError, ConnectionError, LocalEntryNotFoundError)):
        return TransientError(
            f"hf://{name}@{revision}: the Hub cannot be reached",
            "check the network or the mirror; without one, use a folder or s3:// copy",
        )
    return None
