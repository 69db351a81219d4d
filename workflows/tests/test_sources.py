from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from graftline.canonical import sha256_file
from graftline.errors import ConfigError, DataError
from graftline_workflows.recipe.resolved import ResolvedRecipe, ResolvedSource, ResolvedStep
from graftline_workflows.sources import DigestCache, Fingerprint, fingerprint, fingerprint_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Counting:
    """Digests files and remembers which."""

    read: list[str] = field(default_factory=list)

    def __call__(self, path: Path) -> str:
        self.read.append(path.name)
        return sha256_file(path)


def old_file(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def recipe_of(*uris: str, parameter: str = "source") -> ResolvedRecipe:
    steps = tuple(
        ResolvedStep(
            name=f"step-{index}",
            stage="read",
            config={},
            runtime={},
            seed=0,
            inputs=(),
            sources=(ResolvedSource("uri", uri, parameter),),
            image="",
            identity="",
            descriptor=None,  # type: ignore[arg-type]
        )
        for index, uri in enumerate(uris)
    )
    return ResolvedRecipe("r", "", "", (), steps, None)


def test_content_counts_and_place_does_not(tmp_path: Path):
    one = old_file(tmp_path / "one" / "a.jsonl", "{}\n")
    two = old_file(tmp_path / "two" / "a.jsonl", "{}\n")
    before = fingerprint(str(one)).fingerprint
    assert before.startswith("sha256:")
    assert fingerprint(str(two)).fingerprint == before
    assert fingerprint(two.as_uri()).fingerprint == before
    two.write_text("{ }\n")
    assert fingerprint(str(two)).fingerprint != before


def test_of_a_folder_names_count_too(tmp_path: Path):
    for name in ("a.txt", "sub/b.txt"):
        old_file(tmp_path / "one" / name, name)
        old_file(tmp_path / "two" / name, name)
    before = fingerprint(str(tmp_path / "one")).fingerprint
    assert fingerprint(str(tmp_path / "two")).fingerprint == before
    (tmp_path / "two" / "a.txt").rename(tmp_path / "two" / "c.txt")
    assert fingerprint(str(tmp_path / "two")).fingerprint != before


def test_a_packages_file_is_found_without_importing_it(tmp_path: Path, monkeypatch: Any):
    old_file(tmp_path / "toy_model" / "__init__.py", "raise RuntimeError('imported')")
    old_file(tmp_path / "toy_model" / "weights.gguf", "GGUF")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = fingerprint("package://toy_model/weights.gguf")
    plain = fingerprint(str(tmp_path / "toy_model" / "weights.gguf"))
    assert found.fingerprint == plain.fingerprint
    assert "toy_model" not in sys.modules


def test_a_source_that_is_known_need_not_be_here():
    uri = "package://no_such_module/weights.gguf"
    found = fingerprint_sources(recipe_of(uri), known={uri: "sha256:1", "package://x/y": "z"})
    assert found[uri] == Fingerprint(uri, "sha256:1")


@pytest.mark.parametrize(
    ("uri", "error", "message"),
    [
        ("nowhere.jsonl", DataError, "source 'nowhere.jsonl' does not exist"),
        ("empty.jsonl", DataError, "source 'empty.jsonl' is an empty file"),
        ("empty", DataError, "source 'empty' is an empty folder"),
        ("hidden", DataError, "has no files"),
        ("https://example.org/a.jsonl", ConfigError, "are not read in the cluster"),
        ("http://example.org/a.jsonl", ConfigError, "are not read in the cluster"),
        ("ftp://example.org/a.jsonl", ConfigError, "this kind of address is not supported"),
        ("package://no_such_module/file", ConfigError, "'no_such_module' is not installed"),
        ("hf://", ConfigError, "no name of the Hub"),
        ("hf://a/b/c", ConfigError, "no name of the Hub"),
        ("s3://bucket", ConfigError, "must be s3://bucket/prefix"),
    ],
)
def test_a_bad_source_is_told_with_its_parameter(
    tmp_path: Path, monkeypatch: Any, uri: str, error: type[Exception], message: str
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "empty").mkdir()
    old_file(tmp_path / "hidden" / ".x", "x")
    with pytest.raises(error, match=message) as caught:
        fingerprint_sources(recipe_of(uri))
    assert str(caught.value).startswith("parameter 'source': ")
    with pytest.raises(error) as caught:
        fingerprint_sources(recipe_of(uri, parameter=""))
    assert str(caught.value).startswith("setting 'step-0.uri': ")


def test_a_pinned_revision_is_taken_as_it_is():
    assert fingerprint(f"hf://org/name@{SHA}") == Fingerprint(f"hf://org/name@{SHA}", f"rev:{SHA}")
    uri = f"hf://datasets/org/name@{SHA}"
    assert fingerprint(uri) == Fingerprint(uri, f"rev:{SHA}")


@pytest.mark.parametrize(
    ("uri", "asked", "pinned"),
    [
        ("hf://org/name", ("org/name", "model", None), f"hf://org/name@{SHA}"),
        ("hf://org/name@main", ("org/name", "model", "main"), f"hf://org/name@{SHA}"),
        (
            "hf://datasets/org/name@v1.0",
            ("org/name", "dataset", "v1.0"),
            f"hf://datasets/org/name@{SHA}",
        ),
    ],
)
def test_a_name_is_pinned_to_the_revision_that_the_hub_gives(
    monkeypatch: Any, uri: str, asked: tuple[str, str, str | None], pinned: str
):
    calls = []

    class Info:
        sha = SHA

    def repo_info(self: Any, name: str, *, repo_type: str, revision: str | None, timeout: float):
        calls.append((name, repo_type, revision))
        return Info()

    monkeypatch.setattr("huggingface_hub.HfApi.repo_info", repo_info)
    assert fingerprint(uri) == Fingerprint(pinned, f"rev:{SHA}")
    assert calls == [asked]


def test_without_a_network_the_user_is_told_to_pin(monkeypatch: Any):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match="the Hub cannot be asked for its revision") as caught:
        fingerprint_sources(recipe_of("hf://org/name@main", parameter="base_model"))
    assert str(caught.value).startswith("parameter 'base_model': source 'hf://org/name@main'")
    assert caught.value.hint == "pin the revision: hf://org/name@<40 hexadecimal characters>"


@dataclass(frozen=True)
class Info:
    name: str
    size: int
    etag: str


@dataclass
class Bucket:
    """Objects below a prefix, as `graftline.store.Store` gives them."""

    objects: list[Info]

    def head(self, name: str) -> Info | None:
        return next((item for item in self.objects if item.name == name), None)

    def list(self, prefix: str) -> Iterator[Info]:
        return (item for item in self.objects if item.name.startswith(prefix))


def opener(objects: list[Info], wanted: str) -> Callable[[str], Any]:
    def open_store(uri: str) -> Any:
        assert uri == wanted
        return Bucket(objects)

    return open_store


def test_an_s3_source_is_its_listing():
    objects = [Info("data/a", 3, "x"), Info("data/b/c", 4, "y"), Info("database", 5, "z")]
    found = fingerprint("s3://bucket/some/data", open_store=opener(objects, "s3://bucket/some"))
    assert found.fingerprint.startswith("etag:")
    again = fingerprint(
        "s3://bucket/some/data/", open_store=opener(objects[1::-1], "s3://bucket/some")
    )
    assert again.fingerprint == found.fingerprint
    elsewhere = [Info("d/a", 3, "x"), Info("d/b/c", 4, "y")]
    assert fingerprint("s3://b/d", open_store=opener(elsewhere, "s3://b")).fingerprint == (
        found.fingerprint
    )
    for other in (Info("data/a", 3, "X"), Info("data/a", 9, "x"), Info("data/z", 3, "x")):
        changed = opener([other, objects[1]], "s3://bucket/some")
        assert fingerprint("s3://bucket/some/data", open_store=changed) != found
    single = fingerprint("s3://bucket/database", open_store=opener(objects, "s3://bucket"))
    assert single.fingerprint != found.fingerprint


def test_an_empty_s3_source_is_told():
    objects = [Info("data/", 0, "x")]
    with pytest.raises(DataError, match="does not exist or is empty"):
        fingerprint("s3://bucket/data", open_store=opener(objects, "s3://bucket"))


def test_digests_are_remembered(tmp_path: Path, monkeypatch: Any):
    counting = Counting()
    monkeypatch.setattr("graftline_workflows.sources.sha256_file", counting)
    path = old_file(tmp_path / "data" / "a.jsonl", "one")
    old_file(tmp_path / "data" / "b.jsonl", "two")
    home = tmp_path / "home" / "digests.json"
    recipe = recipe_of(str(tmp_path / "data"))
    first = fingerprint_sources(recipe, home)
    assert sorted(counting.read) == ["a.jsonl", "b.jsonl"]
    assert fingerprint_sources(recipe, home) == first
    assert len(counting.read) == 2
    path.write_text("ONE")
    changed = fingerprint_sources(recipe, home)
    assert changed != first
    assert counting.read[2:] == ["a.jsonl"]
    assert fingerprint_sources(recipe, tmp_path / "other") == changed


@pytest.mark.parametrize("change", ["size", "time", "inode"])
def test_whatever_changes_a_file_is_noticed(tmp_path: Path, change: str):
    path = old_file(tmp_path / "a", "one")
    cache = DigestCache(tmp_path / "memory.json")
    before = cache.sha256(path)
    if change == "size":
        old_file(path, "four")
    elif change == "time":
        path.write_text("two")
    else:
        old_file(tmp_path / "b", "two").rename(path)
    assert cache.sha256(path) != before


def test_a_file_changed_just_now_is_not_remembered(tmp_path: Path):
    path = tmp_path / "a"
    path.write_text("one")
    cache = DigestCache(tmp_path / "memory.json")
    cache.sha256(path)
    cache.save()
    assert not (tmp_path / "memory.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_damaged_memory_counts_as_empty(tmp_path: Path, text: str):
    memory = tmp_path / "memory.json"
    memory.write_text(text)
    path = old_file(tmp_path / "a", "one")
    cache = DigestCache(memory)
    assert cache.sha256(path) == sha256_file(path)
    cache.save()
    assert str(path) in json.loads(memory.read_text())


def test_a_memory_that_cannot_be_written_is_no_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    cache = DigestCache(tmp_path / "file" / "memory.json")
    cache.sha256(old_file(tmp_path / "a", "one"))
    cache.save()


def test_a_digest_cache_that_somebody_wrote_into_is_no_obstacle(tmp_path: Path):
    file = old_file(tmp_path / "a.jsonl", "{}\n")
    cache = tmp_path / "digests.json"
    cache.write_text(json.dumps({str(file): 7, "b": [1, 2], "c": None}))
    assert DigestCache(cache).sha256(file) == sha256_file(file)
