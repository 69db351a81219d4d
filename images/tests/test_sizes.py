from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest


class Layout:
    """A small OCI layout."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.entries: list[dict] = []

    def blob(self, data: bytes) -> dict:
        digest = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = data
        return {"digest": f"sha256:{digest}", "size": len(data)}

    def image(self, name: str, *layers: bytes, packed: bool = True) -> dict:
        kind = "application/vnd.oci.image.layer.v1.tar" + ("+gzip" if packed else "")
        content = [gzip.compress(layer, mtime=0) if packed else layer for layer in layers]
        manifest = {"layers": [{**self.blob(data), "mediaType": kind} for data in content]}
        entry = self.blob(json.dumps(manifest).encode())
        entry["annotations"] = {"org.opencontainers.image.ref.name": name}
        return entry

    def write(self, path: Path) -> Path:
        self.files["index.json"] = json.dumps({"manifests": self.entries}).encode()
        with tarfile.open(path, "w") as archive:
            for name, data in self.files.items():
                member = tarfile.TarInfo(f"./{name}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        return path


@pytest.fixture(scope="module")
def sizes(script):
    return script("sizes.py")


BASE, ONE, TWO = bytes(3_000_000), b"1" * 1_000_000, b"2" * 2_000_000


def test_a_shared_layer_counts_once(sizes, tmp_path):
    layout = Layout()
    layout.entries += [
        layout.image("localhost/graftline-one:dev", BASE, ONE),
        layout.image("localhost/graftline-two:dev", BASE, TWO),
    ]
    images = sizes.read_archive(layout.write(tmp_path / "images.tar"))
    rows = {line.split("  ")[0]: line.split()[-2:] for line in sizes.table(images).splitlines()}
    assert [layer.unpacked for layer in images["localhost/graftline-one:dev"]] == [3e6, 1e6]
    assert rows["graftline-one:dev"][-1] == "1.0"
    assert rows["graftline-two:dev"][-1] == "2.0"
    assert rows["all, each layer once"][-1] == "6.0"


def test_layers_that_lie_unpacked_are_measured_packed(sizes, tmp_path):
    both = []
    for packed in (True, False):
        layout = Layout()
        layout.entries.append(layout.image("x:1", BASE, packed=packed))
        (layer,) = sizes.read_archive(layout.write(tmp_path / f"{packed}.tar"))["x:1"]
        both.append((layer.unpacked, round(layer.packed, -3)))
    assert both[0] == both[1]


def test_dockers_index_of_an_image_and_its_attestations(sizes, tmp_path):
    layout = Layout()
    image = layout.image("ignored", ONE)
    inner = layout.blob(json.dumps({"manifests": [image, layout.blob(b"{}")]}).encode())
    inner["annotations"] = {"io.containerd.image.name": "localhost/graftline-one:dev"}
    layout.entries.append(inner)
    images = sizes.read_archive(layout.write(tmp_path / "images.tar"))
    assert list(images) == ["localhost/graftline-one:dev"]
