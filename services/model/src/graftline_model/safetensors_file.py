"""Reading and writing safetensors, tensor by tensor, without loading a file into memory.

Format: https://huggingface.co/docs/safetensors — eight bytes of header length, a JSON header, then
the tensors' bytes without gaps.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from graftline.errors import BugError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

ITEM_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1,
    "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U64": 8, "U32": 4, "U16": 2,
}  # fmt: skip
SHARD_BYTES = 4 << 30
INDEX_NAME = "model.safetensors.index.json"
_MAX_HEADER_BYTES = 100 << 20
_BLOCK_VALUES = 1 << 20


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of a safetensors file: where its bytes are."""

    path: Path
    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int

    def blocks(self) -> Iterator[np.ndarray[Any, Any]]:
        """Stream its bytes as arrays of its dtype (bf16 as uint16), about 4 MiB each."""
        kinds = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}
        kind = np.dtype(kinds.get(self.dtype, np.uint8))
        step = _BLOCK_VALUES * kind.itemsize
        with self.path.open("rb") as file:
            file.seek(self.start)
            for done in range(0, self.size, step):
                yield np.frombuffer(file.read(min(step, self.size - done)), kind)


@dataclass(frozen=True)
class PlannedTensor:
    """A tensor to be written: its final type and shape, and where its values come from.

    Args:
        name: Its name in the model.
        dtype: `BF16`, `F32`, …
        shape: As in torch.
        blocks: Gives the values, in order, as arrays of the bytes to write.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    blocks: Callable[[], Iterable[np.ndarray[Any, Any]]]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return prod(self.shape) * ITEM_BYTES[self.dtype]


def read_table(path: Path) -> dict[str, StoredTensor]:
    """Read a file's header, and check that the file is whole.

    Raises:
        DataError: It is no safetensors file, truncated or damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else _MAX_HEADER_BYTES + 1
        if length > _MAX_HEADER_BYTES:
            raise DataError(f"{path.name}: not a safetensors file, or a damaged one")
        raw = file.read(length)
    if len(raw) < length:
        raise DataError(
            f"{path.name}: truncated: its header needs {8 + length:,} bytes, the file has {size:,}",
            "fetch it again",
        )
    try:
        header: dict[str, Any] = json.loads(raw)
        header.pop("__metadata__", None)
        tensors = {name: _stored(path, name, entry, 8 + length) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path.name}: damaged safetensors header: {error}") from error
    end = max((tensor.start + tensor.size for tensor in tensors.values()), default=8 + length)
    if end > size:
        raise DataError(
            f"{path.name}: truncated: its tensors need {end:,} bytes, the file has {size:,}",
            "fetch it again",
        )
    return tensors


def _stored(path: Path, name: str, entry: dict[str, Any], base: int) -> StoredTensor:
    begin, end = entry["data_offsets"]
    shape = tuple(int(length) for length in entry["shape"])
    if entry["dtype"] not in ITEM_BYTES or end - begin != prod(shape) * ITEM_BYTES[entry["dtype"]]:
        raise ValueError(f"tensor '{name}' has dtype {entry['dtype']} and a size that does not fit")
    return StoredTensor(path, name, entry["dtype"], shape, base + begin, end - begin)


def write_model(
    folder: Path,
    tensors: list[PlannedTensor],
    progress: Callable[[int, int], None],
    shard_bytes: int = SHARD_BYTES,
) -> list[Path]:
    """Write `model.safetensors`, or shards with an index where it is larger than `shard_bytes`.

    Args:
        folder: Where.
        tensors: What; they are written sorted by name.
        progress: Told the bytes written so far and all bytes.
        shard_bytes: The most bytes of tensors in a file.
    """
    shards: list[list[PlannedTensor]] = [[]]
    for tensor in sorted(tensors, key=lambda item: item.name):
        if shards[-1] and sum(item.size for item in shards[-1]) + tensor.size > shard_bytes:
            shards.append([])
        shards[-1].append(tensor)
    total = sum(tensor.size for tensor in tensors)
    if len(shards) == 1:
        names = ["model.safetensors"]
    else:
        names = [f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors" for i in range(len(shards))]
        index = {
            "metadata": {"total_size": total},
            "weight_map": {
                item.name: name for name, shard in zip(names, shards, strict=True) for item in shard
            },
        }
        (folder / INDEX_NAME).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
    done = 0
    for name, shard in zip(names, shards, strict=True):
        done = _write_shard(folder / name, shard, lambda at: progress(at, total), done)
    return [folder / name for name in names]


def _write_shard(
    path: Path, tensors: list[PlannedTensor], progress: Callable[[int], None], done: int
) -> int:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        header[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.size],
        }
        offset += tensor.size
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        for tensor in tensors:
            written = sum(file.write(block.data) for block in tensor.blocks())
            if written != tensor.size:
                raise BugError(f"tensor '{tensor.name}': {written} bytes, not {tensor.size}")
            done += written
            progress(done)
    return done


def to_bf16(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Round fp32 to bf16 (as uint16), to nearest and ties to even, as torch does.

    A NaN stays a NaN; finite values beyond bf16's range become infinite.
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).reshape(-1)
    result = np.empty(bits.size, np.uint16)
    for start in range(0, bits.size, _BLOCK_VALUES):
        part = bits[start : start + _BLOCK_VALUES]
        rounded = part >> np.uint32(16)
        rounded &= np.uint32(1)
        rounded += np.uint32(0x7FFF)
        rounded += part
        rounded >>= np.uint32(16)
        out = result[start : start + _BLOCK_VALUES]
        out[:] = rounded
        nan = (part & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
        if nan.any():
            out[nan] = 0x7FC0
    return result


def converted(tensor: StoredTensor, dtype: str) -> Iterator[np.ndarray[Any, Any]]:
    """Stream a stored tensor's values in another floating type (`F32` or `BF16`)."""
    for block in tensor.blocks():
        if tensor.dtype == dtype or tensor.dtype not in ("F32", "F16", "BF16"):
            yield block
            continue
        if tensor.dtype == "BF16":
            wide = (block.astype(np.uint32) << np.uint32(16)).view(np.float32)
        else:
            wide = block.astype(np.float32)
        yield to_bf16(wide) if dtype == "BF16" else wide
