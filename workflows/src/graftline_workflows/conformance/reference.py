"""Whether an argument names an image or a command."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from graftline.errors import ConfigError
from graftline_workflows.conformance.subject import PROGRAM_PREFIX

IMAGE_PREFIX = "image:"
_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*:\d+)"
_REFERENCE = re.compile(
    rf"(?P<host>{_HOST}/)?{_NAME}(?:/{_NAME})*"
    r"(?P<tag>:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?P<digest>@sha256:[0-9a-f]{64})?"
)


def image_reference(argument: str) -> str | None:
    """Give the image that an argument names, or nothing if it is a command.

    `image:REFERENCE` always names an image. Without that prefix an argument names one only if
    it can mean nothing else: it has a tag, a digest or a registry's host, and is neither a file
    nor a program on PATH.

    Raises:
        ConfigError: What follows `image:` is no reference.
    """
    if argument.startswith(IMAGE_PREFIX):
        reference = argument.removeprefix(IMAGE_PREFIX)
        if not _REFERENCE.fullmatch(reference):
            raise ConfigError(
                f"'{reference}' is no image reference",
                "HOST/NAME:TAG or HOST/NAME@sha256:…, in lower case",
            )
        return reference
    if argument.startswith(PROGRAM_PREFIX):
        return None
    found = _REFERENCE.fullmatch(argument)
    if found is None or not (found["host"] or found["tag"] or found["digest"]):
        return None
    if shutil.which(argument) or Path(argument).exists():
        return None
    return argument
