"""Addresses that hold a secret: whatever a run is asked is kept in its record, and shown."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from graftline.errors import ConfigError, Problem

_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#'\"@]*:[^\s/?#'\"]*@", re.IGNORECASE)
_QUERY = re.compile(r"token|signature|^sig$|secret|password|credential|api_?key", re.IGNORECASE)
_PATH = re.compile(r"[\w.-]*")
_HUB = "hf"  # hf://name@revision is no user name


def override_problem(text: str) -> Problem | None:
    """Refuse `path=value` with a password in an address, without repeating it."""
    if not _PASSWORD.search(text):
        return None
    path = _PATH.match(text)
    return Problem(
        f"--set {path[0] if path else ''}",
        "holds an address with a password in it, which would be kept with the run: name the key of"
        " a language model by api_key_env or api_key_file, and a source without it",
    )


def refuse_secret(uri: str) -> None:
    """Refuse a source whose address holds a secret, without repeating it.

    Raises:
        ConfigError: It does, or cannot be read.
    """
    if "://" not in uri:
        return
    try:
        parts = urlsplit(uri)
        named = parts.username is not None and parts.scheme.lower() != _HUB
    except ValueError as error:
        # Not repeated: whether there is a secret in it cannot be told.
        raise ConfigError(
            "a source's address is none that can be read", "write it as https://host/path"
        ) from error
    query = parse_qsl(parts.query, keep_blank_values=True)
    if named or parts.password is not None or any(_QUERY.search(name) for name, _ in query):
        raise ConfigError(
            f"source '{parts.scheme}://{parts.hostname}{parts.path}': the address has a secret in"
            " it, and would be kept with the run",
            "download the file, and name it",
        )
