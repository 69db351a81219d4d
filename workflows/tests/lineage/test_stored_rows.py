from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graftline.errors import DataError, TransientError
from graftline.ports import kind_value
from graftline.store import Manifests, describe_folder
from graftline.store.names import blob_name
from graftline.v1.manifest_pb2 import Manifest, OutputRef
from graftline_workflows.lineage.steps import Place
from graftline_workflows.lineage.stored_rows import StoredRows

if TYPE_CHECKING:
    from pathlib import Path

    from graftline.store import Store

GROUPS, GROUP_ROWS = 12, 50
KEY = "a" * 64


class CountingClient:
    """The S3 client, with the bytes that were asked of it."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.read = 0

    def get_object(self, **options: Any) -> Any:
        first, last = options["Range"].removeprefix("bytes=").split("-")
        self.read += int(last) - int(first) + 1
        return self.client.get_object(**options)


def name(number: int) -> str:
    return f"{number:06d}"


def put(store: Store, folder: Path) -> Place:
    artifact = describe_folder(folder, kind_value("examples"))
    Manifests(store).upload(KEY, artifact, folder)
    outputs = [OutputRef(port="examples", artifact=artifact)]
    return Place(Manifest(key=KEY, step="big", outputs=outputs), "examples")


@pytest.fixture
def big(store: Store, tmp_path: Path) -> Place:
    """600 rows in two files and twelve row groups; their texts do not compress."""
    import random

    source = random.Random(1)
    rows = [
        {"id": name(n), "text": source.randbytes(1500).hex(), "number": n}
        for n in range(GROUPS * GROUP_ROWS)
    ]
    half = len(rows) // 2
    for part, some in enumerate((rows[:half], rows[half:])):
        table = pa.Table.from_pylist(some)
        pq.write_table(table, tmp_path / f"part-{part}.parquet", row_group_size=GROUP_ROWS)
    (tmp_path / "preview.json").write_text("[]")
    return put(store, tmp_path)


def test_rows_are_found_by_id_with_the_columns_that_there_are(store: Store, big: Place) -> None:
    found = list(
        StoredRows(store, big).find({name(3), name(599), "none"}, ["id", "number", "gone"])
    )
    assert found == [{"id": name(3), "number": 3}, {"id": name(599), "number": 599}]
    assert list(StoredRows(store, big).find(set(), ["id"])) == []


def test_all_rows_come_in_order(store: Store, big: Place) -> None:
    numbers = [row["number"] for row in StoredRows(store, big).stream(["number"])]
    assert numbers == list(range(GROUPS * GROUP_ROWS))


def test_of_a_large_artifact_little_is_read(store: Store, big: Place) -> None:
    whole = sum(blob.size for blob in big.artifact.blobs)
    counting = CountingClient(store.client)
    watched: Any = SimpleNamespace(
        client=counting, bucket=store.bucket, full_name=store.full_name, place=store.place
    )
    (found,) = StoredRows(watched, big).find({name(77)}, ["id", "text"])
    assert len(found["text"]) == 3000
    group = whole / GROUPS
    assert group < counting.read < 3 * group, "one row group's texts, and footers"
    counting.read = 0
    assert sum(1 for _ in StoredRows(watched, big).stream(["id"])) == GROUPS * GROUP_ROWS
    assert counting.read < 0.15 * whole, "ids and footers alone"


def test_an_artifact_without_ids_has_no_rows(store: Store, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["one"]}), tmp_path / "part-0.parquet")
    place = put(store, tmp_path)
    assert list(StoredRows(store, place).find({"one"}, ["text"])) == []


def test_a_damaged_or_missing_file_is_told(store: Store, big: Place) -> None:
    blob = next(item for item in big.artifact.blobs if item.path.endswith(".parquet"))
    stored = blob_name(KEY, blob.sha256)
    store.put(stored, b"?" * blob.size)
    with pytest.raises(DataError, match=r"step 'big'.*part-0.parquet.*graftline verify"):
        list(StoredRows(store, big).stream(["id"]))
    store.delete([stored])
    with pytest.raises(TransientError, match="it is not there"):
        list(StoredRows(store, big).stream(["id"]))
