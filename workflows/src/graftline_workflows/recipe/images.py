"""What runs a step: the stage's own code, an image, or a program in any language."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graftline.canonical import digest_of, sha256_file
from graftline.errors import BugError, ConfigError
from graftline.identity import build_id
from graftline_workflows.catalog.model import StageEntry, read_descriptor

if TYPE_CHECKING:
    from graftline.v1 import stage_pb2
    from graftline_workflows.catalog import Catalog

EXEC = "exec:"
_DESCRIBE_TIMEOUT_S = 60


@dataclass(frozen=True)
class StageCode:
    """What runs a stage.

    Args:
        entry: Its description.
        image: An image reference, `exec:COMMAND` with absolute paths, or empty for our own code.
        identity: What the key counts for it.
        warning: What the user should know; empty if nothing.
    """

    entry: StageEntry
    image: str
    identity: str
    warning: str = ""


def own_code(stage: str, catalog: Catalog) -> StageCode:
    """Describe a stage's own, installed code.

    Raises:
        ConfigError: The stage is unknown, or its package is not installed.
    """
    return StageCode(catalog.entry(stage), "", build_id(f"graftline_{stage.replace('-', '_')}"))


def replaced_code(stage: str, reference: str, catalog: Catalog) -> StageCode:
    """Describe what a user puts in a stage's place.

    Args:
        stage: The stage.
        reference: An image reference or `exec:COMMAND`.
        catalog: The catalog; an image is taken to have the ports and settings of the stage.

    Raises:
        ConfigError: The stage is unknown, or the program is missing or does not describe itself.
    """
    if reference.startswith(EXEC):
        return _program(stage, reference.removeprefix(EXEC))
    entry = catalog.entry(stage)
    if not reference or reference != reference.strip() or " " in reference:
        raise ConfigError(f"--image {stage}={reference}: no image reference")
    warning = ""
    if "@sha256:" not in reference:
        warning = (
            f"image {reference} of stage '{stage}' is named by a tag, which may change: a new "
            "image behind it rebuilds nothing; name it by digest (…@sha256:…)"
        )
    return StageCode(entry, reference, reference, warning)


def _program(stage: str, command: str) -> StageCode:
    words = _command_words(stage, command)
    return StageCode(
        StageEntry(_describe(stage, words)),
        f"{EXEC}{shlex.join(words)}",
        f"{EXEC}{_program_digest(words)}",
    )


def _command_words(stage: str, command: str) -> list[str]:
    """Split a command and make the files in it absolute, so that any folder can run it."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"--image {stage}={EXEC}{command}: {error}") from error
    if not words:
        raise ConfigError(f"--image {stage}={EXEC}: names no program")
    if "/" not in words[0] and shutil.which(words[0]) is None:
        raise ConfigError(
            f"--image {stage}={EXEC}{command}: there is no program '{words[0]}'",
            f"write ./{words[0]} for a file in this folder",
        )
    if "/" in words[0] and shutil.which(words[0]) is None:
        what = "cannot be executed (chmod +x)" if Path(words[0]).is_file() else "does not exist"
        raise ConfigError(f"--image {stage}={EXEC}{command}: {words[0]} {what}")
    files = [index for index, word in enumerate(words) if index or "/" in word]
    for index in files:
        if Path(words[index]).is_file():
            words[index] = str(Path(words[index]).absolute())
    return words


def _program_digest(words: list[str]) -> str:
    """Digest a program: its file; with arguments, every file among them and the other words.

    An interpreter found on the path counts by its name, so that machines agree.
    """
    if len(words) == 1:
        return sha256_file(Path(shutil.which(words[0]) or words[0]))
    return digest_of([sha256_file(Path(word)) if Path(word).is_file() else word for word in words])


def _describe(stage: str, words: list[str]) -> stage_pb2.StageDescriptor:
    subject = f"--image {stage}={EXEC}{shlex.join(words)}"
    try:
        process = subprocess.run(
            [*words, "describe"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_DESCRIBE_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{subject}: 'describe' does not run: {error}") from error
    if process.returncode != 0:
        said = (process.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise ConfigError(f"{subject}: 'describe' ended with {process.returncode}: {said}")
    try:
        descriptor = read_descriptor(process.stdout, f"{subject}: 'describe'")
        StageEntry(descriptor).check()
    except BugError as error:
        raise ConfigError(
            error.cause, "the descriptor is a graftline.v1.StageDescriptor as protobuf JSON"
        ) from error
    return descriptor
