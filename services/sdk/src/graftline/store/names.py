"""Where things lie in a store.

steps/<key>/manifest.binpb                           a step's manifest, written last
steps/<key>/blobs/<sha256>                           its outputs' files
steps/<key>/checkpoints/<name>.json                  the index of a checkpoint
steps/<key>/checkpoint-blobs/<name>/<save>/<sha256>  a checkpoint's files, a folder a save
cache/<namespace>/<key>                              values that outlive steps
runs/<run>.binpb                                     a run record
runs/<run>/logs/<step>.log                           a step's log
runs/<run>/requests/<step>.binpb                     what a step of a run in a cluster has to do
sources/<sha256>/<relative path>                     a source that was sent here, by its content
probe/<random>                                       gone after `Store.probe`
"""

from __future__ import annotations

import re

from graftline.errors import BugError

STEPS = "steps/"
RUNS = "runs/"
CACHE = "cache/"
SOURCES = "sources/"
PROBE = "probe/"
RECORD_SUFFIX = ".binpb"

_SENT = re.compile(r"(?:^|/)sources/([0-9a-f]{64})/?")
_SEGMENT = re.compile(r"[A-Za-z0-9_=+@-][A-Za-z0-9._=+@-]*")


def segment(text: str) -> str:
    """Give back a text that is fit to be one part of an object's name.

    Raises:
        BugError: It is not (empty, a slash, a leading dot).
    """
    if not _SEGMENT.fullmatch(text):
        raise BugError(f"'{text}' cannot be part of an object's name")
    return text


def step_prefix(key: str) -> str:
    """All that belongs to a step."""
    return f"{STEPS}{segment(key)}/"


def manifest_name(key: str) -> str:
    """A step's manifest."""
    return f"{step_prefix(key)}manifest.binpb"


def blobs_prefix(key: str) -> str:
    """The files of a step's outputs."""
    return f"{step_prefix(key)}blobs/"


def blob_name(key: str, sha256: str) -> str:
    """One file of a step's outputs."""
    return f"{blobs_prefix(key)}{segment(sha256)}"


def checkpoints_prefix(key: str) -> str:
    """The indexes of a step's checkpoints."""
    return f"{step_prefix(key)}checkpoints/"


def checkpoint_name(key: str, name: str) -> str:
    """The index of a checkpoint."""
    return f"{checkpoints_prefix(key)}{segment(name)}.json"


def checkpoint_blobs_prefix(key: str, name: str = "") -> str:
    """The files of all of a step's checkpoints, or of one name's."""
    below = f"{segment(name)}/" if name else ""
    return f"{step_prefix(key)}checkpoint-blobs/{below}"


def cache_name(namespace: str, key: str) -> str:
    """A cached value."""
    return f"{CACHE}{segment(namespace)}/{segment(key)}"


def record_name(run: str) -> str:
    """A run record."""
    return f"{RUNS}{segment(run)}{RECORD_SUFFIX}"


def run_prefix(run: str) -> str:
    """All of a run but its record."""
    return f"{RUNS}{segment(run)}/"


def log_name(run: str, step: str) -> str:
    """A step's log in a run."""
    return f"{run_prefix(run)}logs/{segment(step)}.log"


def request_name(run: str, step: str) -> str:
    """What a step has to do in a run, for a pod that is told their names alone."""
    return f"{run_prefix(run)}requests/{segment(step)}{RECORD_SUFFIX}"


def source_prefix(digest: str) -> str:
    """The files of a source that was sent to the store."""
    return f"{SOURCES}{segment(digest)}/"


def source_digest(folder: str) -> str:
    """The digest that a folder's address ends with, if it is one of a sent source; or nothing."""
    found = _SENT.search(folder)
    return found[1] if found and found.end() == len(folder) else ""


def key_of(name: str) -> str:
    """The key of the step that an object under `steps/` belongs to."""
    return name.removeprefix(STEPS).partition("/")[0]


def source_of(name: str) -> str:
    """The digest of the source that an object under `sources/` belongs to."""
    return name.removeprefix(SOURCES).partition("/")[0]
