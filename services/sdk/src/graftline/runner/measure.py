"""What a step cost this process and its children."""

from __future__ import annotations

import importlib.metadata
import re
import resource
import sys
import time
from typing import TYPE_CHECKING

from graftline.v1 import manifest_pb2

if TYPE_CHECKING:
    from graftline.ports import Result

_KIB = 1024
_NAME = re.compile(r"[A-Za-z0-9._-]+")


class CostMeter:
    """Measures wall and CPU seconds from its making on, and peak memory of the process."""

    def __init__(self) -> None:
        """Start the clocks."""
        self._wall = time.monotonic()

    def cost(self, result: Result) -> manifest_pb2.Cost:
        """Give the cost so far, with what the stage itself counted."""
        own = resource.getrusage(resource.RUSAGE_SELF)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
        scale = 1 if sys.platform == "darwin" else _KIB
        return manifest_pb2.Cost(
            wall_seconds=time.monotonic() - self._wall,
            cpu_seconds=cpu,
            gpu_seconds=result.gpu_seconds,
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens,
            usd=result.usd,
            peak_memory_bytes=max(own.ru_maxrss, children.ru_maxrss) * scale,
        )


def package_versions(distribution: str) -> dict[str, str]:
    """Give the versions of a distribution and of all that it needs, as far as they are installed.

    Args:
        distribution: Its name (`graftline-curate`); one that is not installed gives nothing.
    """
    versions: dict[str, str] = {}
    waiting = [distribution]
    while waiting:
        name = _normal(waiting.pop())
        if name in versions:
            continue
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        versions[name] = found.version
        for requirement in found.requires or []:
            if "extra ==" not in requirement and (match := _NAME.match(requirement)):
                waiting.append(match[0])
    return dict(sorted(versions.items()))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
