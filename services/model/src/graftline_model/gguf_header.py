"""Reading a GGUF file's metadata and table of tensors.

The `gguf` package reads the same in seconds, because it makes an array view of every vocabulary
entry; this takes a tenth of that and says plainly where a file ends too early. Format:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from graftline.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

_SCALARS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)
_MAX_DIMENSIONS = 8


@dataclass(frozen=True)
class GgufTensor:
    """Where a tensor's bytes are, and what they mean.

    Args:
        name: llama.cpp's name for it.
        shape: Rows first, as in torch.
        type: How its values are stored.
        start: First byte in the file.
        size: Bytes.
    """

    name: str
    shape: tuple[int, ...]
    type: GGMLQuantizationType
    start: int
    size: int


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file says of itself before its weights begin."""

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, GgufTensor]

    @property
    def architecture(self) -> str:
        """llama.cpp's name of the architecture (`llama`, `qwen2`)."""
        return str(self.metadata["general.architecture"])

    def get(self, key: str, default: Any = None) -> Any:
        """Give a value of the architecture's own (`block_count` for `llama.block_count`)."""
        return self.metadata.get(f"{self.architecture}.{key}", default)

    def require(self, key: str) -> Any:
        """Give such a value.

        Raises:
            DataError: The file does not have it.
        """
        value = self.get(key)
        if value is None:
            raise DataError(f"{self.path.name}: no '{self.architecture}.{key}' in its metadata")
        return value


class _Cursor:
    """Walks through a buffer and knows when it ends too early."""

    def __init__(self, data: mmap.mmap, name: str) -> None:
        self.at = 0
        self._data = data
        self._size = len(data)
        self._name = name

    def unpack(self, code: str) -> tuple[Any, ...]:
        layout = struct.Struct("<" + code)
        self._need(layout.size)
        values = layout.unpack_from(self._data, self.at)
        self.at += layout.size
        return values

    def text(self) -> str:
        (length,) = self.unpack("Q")
        self._need(length)
        raw = self._data[self.at : self.at + length]
        self.at += length
        # Vocabularies hold single bytes of longer characters in a few old files.
        return raw.decode("utf-8", errors="replace")

    def value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self.unpack(_SCALARS[kind])[0]
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY:
            raise DataError(f"{self._name}: unknown metadata type {kind} at byte {self.at}")
        element, count = self.unpack("IQ")
        if element in _SCALARS:
            self._need(count * struct.calcsize(_SCALARS[element]))
            return list(self.unpack(f"{count}{_SCALARS[element]}"))
        return [self.value(element) for _ in range(count)]

    def _need(self, size: int) -> None:
        if self.at + size > self._size:
            raise DataError(
                f"{self._name}: truncated: its header needs {self.at + size:,} bytes, the file has "
                f"{self._size:,}",
                "fetch it again",
            )


def read_gguf_header(path: Path) -> GgufHeader:
    """Read the metadata and the tensor table, and check that every tensor is inside the file.

    Raises:
        DataError: It is no GGUF, of an unknown version, truncated or damaged.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path.name}: empty file", "fetch it again")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        cursor = _Cursor(data, path.name)
        if data[:4] != b"GGUF":
            raise DataError(f"{path.name}: not a GGUF file: it begins with {data[:4]!r}")
        cursor.at = 4
        version, tensor_count, metadata_count = cursor.unpack("IQQ")
        if version not in _VERSIONS:
            raise DataError(f"{path.name}: GGUF version {version}; versions 2 and 3 can be read")
        metadata: dict[str, Any] = {}
        for _ in range(metadata_count):
            key = cursor.text()
            metadata[key] = cursor.value(cursor.unpack("I")[0])
        if "general.architecture" not in metadata:
            raise DataError(f"{path.name}: no 'general.architecture' in its metadata")
        rows = [_table_row(cursor, path.name) for _ in range(tensor_count)]
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1:
            raise DataError(
                f"{path.name}: its general.alignment is {alignment!r}", "fetch it again"
            )
        start = -(-cursor.at // alignment) * alignment
        tensors = {row[0]: _tensor(*row, start, path.name) for row in rows}
        end = max((tensor.start + tensor.size for tensor in tensors.values()), default=start)
        if end > len(data):
            raise DataError(
                f"{path.name}: truncated: its tensors need {end:,} bytes, "
                f"the file has {len(data):,}",
                "fetch it again",
            )
    return GgufHeader(path, metadata, tensors)


def _table_row(cursor: _Cursor, file_name: str) -> tuple[str, tuple[int, ...], int, int]:
    name = cursor.text()
    (dimensions,) = cursor.unpack("I")
    if dimensions > _MAX_DIMENSIONS:
        raise DataError(f"{file_name}: damaged: tensor '{name}' claims {dimensions} dimensions")
    shape = cursor.unpack(f"{dimensions}Q")
    kind, offset = cursor.unpack("IQ")
    return name, tuple(reversed(shape)), kind, offset


def _tensor(
    name: str, shape: tuple[int, ...], kind: int, offset: int, start: int, file_name: str
) -> GgufTensor:
    try:
        stored = GGMLQuantizationType(kind)
    except ValueError as error:
        raise DataError(f"{file_name}: tensor '{name}' has the unknown type {kind}") from error
    block, block_bytes = GGML_QUANT_SIZES[stored]
    return GgufTensor(name, shape, stored, start + offset, prod(shape) // block * block_bytes)
