import os

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as pq

from graftline.canonical import sha256_bytes
from graftline.errors import BugError
from graftline.ports import kind_value
from graftline.store import artifact_digest, describe_folder
from graftline.store.artifacts import is_safe_path
from graftline.v1 import artifact_pb2

KIND = kind_value("examples")


def test_a_folder_is_described_by_its_files_alone(tmp_path):
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "deep/empty").mkdir(parents=True)
        (folder / "deep/b").write_bytes(b"bb")
        (folder / "a").write_bytes(b"")
    (tmp_path / "two/c").symlink_to(tmp_path / "one/deep/b")
    (tmp_path / "one/c").write_bytes(b"bb")
    one, two = (describe_folder(tmp_path / name, KIND, rows=2) for name in ("one", "two"))
    assert one == two
    assert [(b.path, b.size, b.sha256) for b in one.blobs] == [
        ("a", 0, sha256_bytes(b"")),
        ("c", 2, sha256_bytes(b"bb")),
        ("deep/b", 2, sha256_bytes(b"bb")),
    ]
    assert (one.rows, one.schema_fingerprint) == (2, "")
    assert describe_folder(tmp_path / "one", "examples", rows=2) == one


def test_rows_are_absent_where_they_are_not_given(tmp_path):
    assert not describe_folder(tmp_path, KIND).HasField("rows")


blobs = st.lists(
    st.builds(
        artifact_pb2.Blob,
        path=st.text("ab/", min_size=1, max_size=3),
        size=st.integers(0, 3),
        sha256=st.sampled_from(["0" * 64, "1" * 64]),
    ),
    max_size=4,
    unique_by=lambda blob: blob.path,
)


@given(blobs, st.randoms())
def test_the_digest_does_not_depend_on_order(items, rng):
    shuffled = rng.sample(items, len(items))
    assert artifact_digest(KIND, shuffled) == artifact_digest(KIND, items)


@given(blobs, blobs)
def test_equal_digests_mean_equal_files(one, two):
    same = sorted(b.SerializeToString() for b in one) == sorted(b.SerializeToString() for b in two)
    assert (artifact_digest(KIND, one) == artifact_digest(KIND, two)) == same


def test_the_digest_depends_on_the_kind():
    assert artifact_digest(KIND, []) != artifact_digest(kind_value("model"), [])


def test_the_fingerprint_is_of_names_and_types_not_of_metadata(tmp_path):
    def fingerprint(name, table):
        (tmp_path / name).mkdir()
        pq.write_table(table, tmp_path / name / "part-0.parquet")
        return describe_folder(tmp_path / name, KIND).schema_fingerprint

    plain = fingerprint("plain", pa.table({"a": [1], "b": ["x"]}))
    noted = pa.table({"a": [2], "b": ["y"]}).replace_schema_metadata({"writer": "other"})
    assert fingerprint("noted", noted) == plain
    assert fingerprint("typed", pa.table({"a": [1.5], "b": ["x"]})) != plain
    assert fingerprint("named", pa.table({"a": [1], "c": ["x"]})) != plain


def test_what_is_no_artifact_is_refused(tmp_path):
    with pytest.raises(BugError, match="is not there"):
        describe_folder(tmp_path / "gone", KIND)
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    with pytest.raises(BugError, match="dangling is neither"):
        describe_folder(tmp_path, KIND)
    (tmp_path / "dangling").unlink()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BugError, match="pipe is neither"):
        describe_folder(tmp_path, KIND)
    (tmp_path / "pipe").unlink()
    (tmp_path / "bad.parquet").write_bytes(b"not parquet")
    with pytest.raises(BugError, match="not Parquet"):
        describe_folder(tmp_path, KIND)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/.", "a\\b"])
def test_paths_that_lead_elsewhere_are_not_safe(path):
    assert not is_safe_path(path)
    assert is_safe_path("a/b.c/..d")
