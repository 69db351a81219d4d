"""Print what the images of an OCI archive weigh, counting a layer that several share once.

sizes.py ARCHIVE

Packed is what a registry holds and a node pulls (gzip), whatever the archive holds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tarfile
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAME = "org.opencontainers.image.ref.name"
_FULL_NAME = "io.containerd.image.name"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Layer:
    """One layer: its digest, and its bytes as they travel and as they lie on a disk."""

    digest: str
    packed: int
    unpacked: int


def read_archive(path: str) -> dict[str, list[Layer]]:
    """Give the layers of every image in an archive that `build.sh archive` made."""
    with tarfile.open(path) as archive:
        members = {member.name.removeprefix("./"): member for member in archive}

        def opened(name: str) -> BinaryIO:
            file = archive.extractfile(members[name])
            assert file is not None
            return file

        def document(digest: str) -> dict:
            return json.load(opened(blob(digest)))

        sizes: dict[str, Layer] = {}
        images: dict[str, list[Layer]] = {}
        for name, manifest in _manifests(json.load(opened("index.json")), document):
            for layer in manifest["layers"]:
                digest = layer["digest"]
                if digest not in sizes:
                    file, packed = opened(blob(digest)), members[blob(digest)].size
                    sizes[digest] = _sizes(digest, file, packed, layer["mediaType"])
            images[name] = [sizes[layer["digest"]] for layer in manifest["layers"]]
    return images


def blob(digest: str) -> str:
    """Name a blob's file in the layout."""
    return "blobs/" + digest.replace(":", "/", 1)


def _manifests(index: dict, document: Callable[[str], dict]) -> Iterator[tuple[str, dict]]:
    for entry in index["manifests"]:
        notes = entry.get("annotations", {})
        name = notes.get(_FULL_NAME, notes.get(_NAME, entry["digest"]))
        content = document(entry["digest"])
        if "manifests" in content:  # docker's index of one image and its attestations
            named = [{**inner, "annotations": notes} for inner in content["manifests"]]
            yield from _manifests({"manifests": named[:1]}, document)
        else:
            yield name, content


def _sizes(digest: str, file: BinaryIO, packed: int, media_type: str) -> Layer:
    """Measure a layer; one that travels packed but lies unpacked in the archive is packed here."""
    if media_type.endswith("gzip"):
        with gzip.open(file) as stream:
            return Layer(digest, packed, sum(map(len, _chunks(stream))))
    packer = zlib.compressobj(wbits=31)
    unpacked, packed = 0, 0
    for chunk in _chunks(file):
        unpacked += len(chunk)
        packed += len(packer.compress(chunk))
    return Layer(digest, packed + len(packer.flush()), unpacked)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(_CHUNK), b"")


def table(images: dict[str, list[Layer]]) -> str:
    """Lay the sizes out, in MB (10^6 bytes): an image whole, and what of it no other has."""
    uses = Counter(layer for layers in images.values() for layer in set(layers))
    rows = [("image", "layers", "packed", "unpacked", "its own, packed", "its own, unpacked")]
    for name, layers in sorted(images.items()):
        own = [layer for layer in layers if uses[layer] == 1]
        rows.append((_short(name), str(len(layers)), *_sums(layers), *_sums(own)))
    rows.append(("all, each layer once", str(len(uses)), *_sums(list(uses)), "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(_line(row, widths) for row in rows)


def _sums(layers: list[Layer]) -> tuple[str, str]:
    sizes = (sum(layer.packed for layer in layers), sum(layer.unpacked for layer in layers))
    return f"{sizes[0] / 1e6:,.1f}", f"{sizes[1] / 1e6:,.1f}"


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    first, *others = (
        text.rjust(width) if column else text.ljust(width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()


def _short(name: str) -> str:
    return name.rpartition("/")[2]


def main() -> None:
    """Serve the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", help="build/images.tar")
    sys.stdout.write(table(read_archive(parser.parse_args().archive)) + "\n")


if __name__ == "__main__":
    main()
