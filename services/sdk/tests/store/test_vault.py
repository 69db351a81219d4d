import logging

import pytest

from graftline.store import StoreVault
from graftline.store.names import checkpoint_blobs_prefix, checkpoint_name, step_prefix

KEY = "a" * 64


@pytest.fixture
def vault(store):
    return StoreVault(store, KEY)


def folder_of(path, files):
    path.mkdir(parents=True)
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_there_is_none_at_first(vault, tmp_path):
    assert not vault.load_checkpoint("train", tmp_path / "in")
    assert not (tmp_path / "in").exists()


def test_a_checkpoint_comes_back_as_it_was(vault, tmp_path):
    files = {"model": b"weights", "deep/state": b"", "deep/same": b"weights"}
    vault.save_checkpoint("train", folder_of(tmp_path / "out", files))
    (tmp_path / "in").mkdir()
    assert vault.load_checkpoint("train", tmp_path / "in")
    assert files_of(tmp_path / "in") == files
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_same_name_replaces_and_the_old_files_go(vault, store, tmp_path):
    vault.save_checkpoint("train", folder_of(tmp_path / "1", {"a": b"1", "old": b"x"}))
    vault.save_checkpoint("train", folder_of(tmp_path / "2", {"a": b"2"}))
    assert vault.load_checkpoint("train", tmp_path / "in")
    assert files_of(tmp_path / "in") == {"a": b"2"}
    assert len(list(store.list(checkpoint_blobs_prefix(KEY)))) == 1


def test_names_and_steps_are_apart(vault, store, tmp_path):
    other = StoreVault(store, "b" * 64)
    vault.save_checkpoint("train", folder_of(tmp_path / "1", {"a": b"1"}))
    vault.save_checkpoint("rank-1", folder_of(tmp_path / "2", {"a": b"2"}))
    other.save_checkpoint("train", folder_of(tmp_path / "3", {"a": b"3"}))
    for number, (owner, name) in enumerate(
        [(vault, "train"), (vault, "rank-1"), (other, "train")], start=1
    ):
        assert owner.load_checkpoint(name, tmp_path / f"in-{number}")
        assert files_of(tmp_path / f"in-{number}") == {"a": b"%d" % number}


def test_forgetting_removes_all_of_it(vault, store, tmp_path):
    vault.save_checkpoint("train", folder_of(tmp_path / "1", {"a": b"1"}))
    vault.forget()
    assert list(store.list(step_prefix(KEY))) == []
    assert not vault.load_checkpoint("train", tmp_path / "in")


@pytest.mark.fault
@pytest.mark.parametrize("damage", [b"bad", b"longer than it was", None])
def test_a_damaged_checkpoint_counts_as_none_and_is_told(vault, store, tmp_path, caplog, damage):
    vault.save_checkpoint("train", folder_of(tmp_path / "1", {"a": b"one", "b": b"two"}))
    name = next(item.name for item in store.list(checkpoint_blobs_prefix(KEY)))
    if damage is None:
        store.delete([name])
    else:
        store.put(name, damage)
    (tmp_path / "in").mkdir()
    with caplog.at_level(logging.WARNING):
        assert not vault.load_checkpoint("train", tmp_path / "in")
    assert files_of(tmp_path / "in") == {}
    assert "checkpoint 'train' cannot be used" in caplog.text
    assert vault.checkpoints() == set(), "what it held is done again"
    vault.save_checkpoint("train", folder_of(tmp_path / "2", {"a": b"new"}))
    assert vault.load_checkpoint("train", tmp_path / "in")


@pytest.mark.fault
@pytest.mark.parametrize("index", [b"", b"{}", b"[1]", b'{"save":"x","files":[["a"]]}', b"\xff"])
def test_an_index_that_cannot_be_read_counts_as_none(vault, store, tmp_path, index):
    store.put(checkpoint_name(KEY, "train"), index)
    assert not vault.load_checkpoint("train", tmp_path / "in")
    assert vault.checkpoints() == set()


@pytest.mark.fault
def test_a_checkpoint_that_was_saved_anew_meanwhile_is_not_taken_for_the_damaged_one(
    vault, store, tmp_path, monkeypatch
):
    store.put(checkpoint_name(KEY, "train"), b"torn")
    look = store.head

    def look_later(name):
        vault.save_checkpoint("train", folder_of(tmp_path / "out", {"a": b"new"}))
        return look(name)

    monkeypatch.setattr(store, "head", look_later)
    assert not vault.load_checkpoint("train", tmp_path / "in")
    monkeypatch.setattr(store, "head", look)
    assert vault.load_checkpoint("train", tmp_path / "in")


@pytest.mark.fault
def test_an_index_that_leads_outside_is_not_followed(vault, store, tmp_path):
    store.put(checkpoint_name(KEY, "train"), b'{"save":"x","files":[["../../evil",0,"aa"]]}')
    assert not vault.load_checkpoint("train", tmp_path / "deep/in")
    assert list(tmp_path.rglob("evil")) == []


def test_the_first_writer_of_a_cached_value_wins(vault, store):
    assert vault.cache_get("llm", "k") is None
    vault.cache_put("llm", "k", b"first")
    StoreVault(store, "b" * 64).cache_put("llm", "k", b"second")
    assert vault.cache_get("llm", "k") == b"first"
    assert vault.cache_get("other", "k") is None


@pytest.mark.fault
def test_a_damaged_cached_value_counts_as_none_and_is_replaced(vault, store):
    vault.cache_put("llm", "k", b"right")
    full = store.full_name("cache/llm/k")
    metadata = store.client.head_object(Bucket=store.bucket, Key=full)["Metadata"]
    store.client.put_object(Bucket=store.bucket, Key=full, Body=b"wrong", Metadata=metadata)
    assert vault.cache_get("llm", "k") is None
    vault.cache_put("llm", "k", b"right")
    assert vault.cache_get("llm", "k") == b"right"
