"""How many steps run at once: cores and memory, shared out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from graftline.v1 import stage_pb2

GIB = 1 << 30
CPU_STEP_BYTES = 1 * GIB
"""What a step of class cpu may take: the bound that its stage is tested to keep."""

_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


@dataclass(frozen=True)
class Share:
    """What a running step holds.

    Args:
        cores: Cores set aside for it.
        memory_bytes: Memory set aside for it.
        threads: How many threads it should use; idle cores are lent beyond its own.
    """

    cores: int
    memory_bytes: int
    threads: int


class Budget:
    """Cores and memory of this machine, less what running steps hold.

    A step of class gpu takes all of it, so that two of them never fight; a step of class cpu
    takes one core and 1 GiB. One step may always run, however little there is.

    Args:
        cores: How many there are.
        memory_bytes: How much there is.
    """

    def __init__(self, cores: int, memory_bytes: int) -> None:
        """Begin with everything free."""
        self.cores = max(1, cores)
        self.memory_bytes = memory_bytes
        self._held: dict[str, Share] = {}

    def take(self, step: str, resources: stage_pb2.ResourceClass, ready: int) -> Share | None:
        """Set a step's share aside, or give nothing if it has to wait.

        Args:
            step: Its name.
            resources: Its class.
            ready: How many steps could start now, this one included; they share idle cores.
        """
        free_cores = self.cores - sum(share.cores for share in self._held.values())
        free_bytes = self.memory_bytes - sum(share.memory_bytes for share in self._held.values())
        if resources == stage_pb2.RESOURCE_CLASS_GPU:
            share = Share(self.cores, self.memory_bytes, self.cores)
        else:
            share = Share(1, CPU_STEP_BYTES, max(1, free_cores // max(1, ready)))
        if self._held and (share.cores > free_cores or share.memory_bytes > free_bytes):
            return None
        self._held[step] = share
        return share

    def give_back(self, step: str) -> None:
        """Free a step's share."""
        self._held.pop(step, None)


def machine_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_memory_bytes() -> int:
    """Memory of this machine or of the container around it."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _CGROUP_LIMITS:
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total
