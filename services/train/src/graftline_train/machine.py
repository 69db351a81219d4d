"""Which device, how many threads, which number format, and how much memory there is."""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

from graftline.errors import ConfigError

if TYPE_CHECKING:
    from graftline_train.config import TrainConfig, TrainRuntime

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def choose_device(runtime: TrainRuntime) -> torch.device:
    """Give the device to train on.

    Raises:
        ConfigError: CUDA is asked for and not there.
    """
    if runtime.device == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    if runtime.device == "cuda":
        raise ConfigError("runtime.device: 'cuda' is asked for, but there is no CUDA device")
    return torch.device("cpu")


def set_threads(runtime: TrainRuntime) -> int:
    """Fix the number of CPU threads and give it."""
    threads = runtime.threads or usable_cores()
    torch.set_num_threads(threads)
    return threads


def usable_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Count the cores that this process may use: more threads than those wait for each other."""
    cores = len(os.sched_getaffinity(0))
    try:
        limit, period = quota.read_text().split()
        return cores if limit == "max" else max(1, min(cores, int(limit) // int(period)))
    except (OSError, ValueError):
        return cores


def choose_dtype(config: TrainConfig, device: torch.device) -> str:
    """Give `bf16` or `fp32`; `auto` is what the device multiplies natively."""
    if config.dtype != "auto":
        return config.dtype
    return "bf16" if _multiplies_bf16(device) else "fp32"


def free_bytes(device: torch.device) -> int:
    """Give the memory that can still be had on a device, within the container's limit."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = int(psutil.virtual_memory().available)
    limit = _read_number(Path("/sys/fs/cgroup/memory.max"))
    used = _read_number(Path("/sys/fs/cgroup/memory.current"))
    return free if limit is None or used is None else min(free, max(0, limit - used))


def peak_bytes(device: torch.device) -> int:
    """Give the most memory that was held: on the GPU, or by this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def describe(device: torch.device) -> str:
    """Name the device for people."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()})"


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if platform.machine() in ("x86_64", "AMD64"):
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def _read_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
