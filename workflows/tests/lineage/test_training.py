from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from graftline.canonical import sha256_text
from graftline.domain.documents import CHUNKS
from graftline.domain.examples import message
from graftline.domain.rows import TRAINING_ROWS, RowWriter
from graftline.ports import kind_value
from graftline.store import Manifests, describe_folder
from graftline.testkit.examples import example_row, write_examples
from graftline.v1.manifest_pb2 import InputRef, Manifest, OutputRef
from graftline_workflows.lineage.ancestors import Found, trace
from graftline_workflows.lineage.steps import places_read
from graftline_workflows.lineage.training import training_of

if TYPE_CHECKING:
    from pathlib import Path

    from graftline.store import Store


def put(store: Store, step: str, kind: str, folder: Path, *made_from: str) -> Manifest:
    artifact = describe_folder(folder, kind_value(kind))
    Manifests(store).upload(sha256_text(step), artifact, folder)
    refs = [InputRef(step=name, key=sha256_text(name), output="out") for name in made_from]
    outputs = [OutputRef(port="out", artifact=artifact)]
    return Manifest(key=sha256_text(step), step=step, inputs=refs, outputs=outputs)


def pair(words: str, chunk: str, group: str, split: str = "train") -> dict[str, Any]:
    messages = [message("user", words), message("assistant", chunk)]
    return example_row("", messages=messages, parents=[chunk], group=group, split=split)


class Shelf:
    """A lineage of chunks, examples and a training set; some of the examples were learned."""

    def __init__(self, store: Store, folder: Path, rows: list[dict[str, Any]]) -> None:
        chunks, learned = folder / "chunks", folder / "learned"
        chunks.mkdir()
        learned.mkdir()
        with RowWriter(chunks, CHUNKS) as writer:
            for name in dict.fromkeys(row["parents"][0] for row in rows):
                writer.write({**dict.fromkeys(CHUNKS.names), **self._chunk(name)})
        with RowWriter(learned, TRAINING_ROWS) as writer:
            for row in rows:
                if row["split"] in ("train", "validation"):
                    kept = {"id": row["id"], "split": row["split"]}
                    writer.write({**kept, "input_ids": [1], "loss_mask": [True]})
        examples = write_examples(folder / "examples", rows)
        self.store = store
        self.places = places_read(
            [
                put(store, "adapter", "adapter", learned, "format"),
                put(store, "format", "training_set", learned, "curate"),
                put(store, "curate", "examples", examples, "chunk"),
                put(store, "chunk", "chunks", chunks),
            ]
        )

    @staticmethod
    def _chunk(name: str) -> dict[str, Any]:
        text = f"the text of {name}"
        source = {"document": "d", "start": 0, "end": len(text)}
        named = {"id": name, "text": text, "path": f"{name}.md", "source": source, "parents": []}
        rest = {"split": "", "group": "", "media_type": "", "meta": "{}", "headings": []}
        return {**named, **rest, "index": 0, "count": 1}

    def training_of(self, row: dict[str, Any], few: int = 3) -> Any:
        by_kind = {place.kind: place for place in self.places}
        found = Found(by_kind["examples"], row)
        chunk = Found(by_kind["chunks"], self._chunk("c1"))
        return training_of(self.store, self.places, found, [chunk], few)


def test_kin_are_told_apart_and_counted_all(store: Store, tmp_path: Path) -> None:
    rows = [pair(f"same chunk {n}", "c1", "g") for n in range(5)]
    rows += [pair(f"same group {n}", "c2", "g") for n in range(4)]
    rows += [pair("something else", "c3", "h"), pair("same chunk held out", "c1", "g", "eval")]
    rows += [pair("not learned but measured", "c1", "g", "validation")]
    found = Shelf(store, tmp_path, rows).training_of(rows[-2], few=2)
    assert found.rows == 10
    assert not found.holds_row
    assert found.counts == {"same-chunk": 5, "same-source": 4}
    relations = [item.relation for item in found.shown]
    assert relations == ["same-chunk"] * 2 + ["same-source"] * 2, "nothing in common with the last"
    assert [item.text for item in found.shown[0].paragraphs] == ["the text of c1"]
    assert found.shown[2].paragraphs[0].path == "c2.md"


def test_a_row_that_was_learned_is_said_and_not_shown_as_its_own_kin(
    store: Store, tmp_path: Path
) -> None:
    rows = [pair("asked", "c1", "g"), pair("asked too", "c1", "g")]
    rows.append({**rows[0], "split": "eval"})
    found = Shelf(store, tmp_path, rows).training_of(rows[2])
    assert found.holds_row
    assert [item.id for item in found.shown] == [rows[1]["id"]]


def test_the_most_alike_come_first_and_ties_go_by_id(store: Store, tmp_path: Path) -> None:
    words = ["one two three four", "one two three", "one two", "three two", "nothing"]
    rows = [pair(text, f"c{n + 2}", f"g{n}") for n, text in enumerate(words)]
    asked = pair("one two three four", "c1", "other", "eval")
    found = Shelf(store, tmp_path, [*rows, asked]).training_of(asked, few=4)
    told = [item.question for item in found.shown]
    ties = sorted(rows[2:4], key=lambda row: str(row["id"]))
    assert told == [*words[:2], *(row["messages"][0]["content"] for row in ties)]
    assert [round(item.alike, 2) for item in found.shown] == [0.67, 0.5, 0.33, 0.33]


def test_a_trace_stops_where_nothing_is_known(store: Store, tmp_path: Path) -> None:
    rows = [pair("asked", "c1", "g")]
    shelf = Shelf(store, tmp_path, rows)
    assert trace(store, shelf.places, {"unknown"}) == []
    assert [item.id for item in trace(store, shelf.places, {rows[0]["id"]})] == [
        rows[0]["id"],
        "c1",
    ]


@pytest.mark.parametrize("few", [0, 1, 50])
def test_as_many_are_shown_as_asked(store: Store, tmp_path: Path, few: int) -> None:
    rows = [pair(f"words in common {n}", f"c{n + 2}", f"g{n}") for n in range(9)]
    asked = pair("words in common", "c1", "other", "eval")
    found = Shelf(store, tmp_path, [*rows, asked]).training_of(asked, few)
    assert len(found.shown) == min(few, 9)
