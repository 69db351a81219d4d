import os
from pathlib import Path

import pytest

from graftline.errors import ConfigError, DataError
from graftline.sources import content_fingerprint, is_remote, local_path, source_files


def test_a_folders_fingerprint_is_its_contents_wherever_it_lies(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "a.txt").write_text("a")
        (tmp_path / name / "b.txt").write_text("b")
    one, two = content_fingerprint(tmp_path / "one"), content_fingerprint(tmp_path / "two")
    assert one == two
    (tmp_path / "two" / "b.txt").write_text("c")
    assert content_fingerprint(tmp_path / "two") != one


def test_a_files_fingerprint_is_its_name_and_content_wherever_it_lies(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in ("a.csv", "a.json"):
            (tmp_path / folder / name).write_text("x")
    one = content_fingerprint(tmp_path / "one" / "a.csv")
    assert one == content_fingerprint(tmp_path / "two" / "a.csv")
    assert one != content_fingerprint(tmp_path / "one" / "a.json")


def test_hidden_files_are_left_out(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x").write_text("x")
    (tmp_path / "a").write_text("x")
    assert [name for name, _ in source_files(tmp_path)] == ["a"]


def test_package_resources_are_found():
    assert local_path("package://graftline/py.typed").name == "py.typed"


@pytest.mark.parametrize(
    ("uri", "kind", "words"),
    [
        ("package://no_such_module_here/x", ConfigError, "not installed"),
        ("ftp://host/x", ConfigError, "not supported"),
        ("/no/such/folder", DataError, "does not exist"),
        ("~no-such-user-here/x", ConfigError, "nobody's home folder"),
    ],
)
def test_what_cannot_be_read_is_told(uri, kind, words):
    with pytest.raises(kind, match=words):
        local_path(uri)


def test_an_empty_folder_is_no_source(tmp_path):
    with pytest.raises(DataError, match="empty folder"):
        local_path(str(tmp_path))


def test_only_buckets_and_hubs_are_remote():
    assert is_remote("s3://b/p")
    assert is_remote("hf://o/n")
    assert not is_remote("data/x.jsonl")


def test_a_name_that_is_no_utf8_is_told(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(DataError, match="is no UTF-8"):
        content_fingerprint(tmp_path)


def test_a_folder_that_cannot_be_looked_into_is_not_left_out(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    (tmp_path / "open.txt").write_text("x")
    look = os.scandir

    def refused(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return look(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(PermissionError, match="closed"):
        source_files(tmp_path)


def test_links_to_files_are_files_and_links_to_folders_are_not_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("a")
    (tmp_path / "to-file").symlink_to(tmp_path / "real" / "a")
    (tmp_path / "to-folder").symlink_to(tmp_path / "real")
    (tmp_path / "to-nothing").symlink_to(tmp_path / "none")
    assert [name for name, _ in source_files(tmp_path)] == ["real/a", "to-file"]
