"""One row's lineage: what it says, what it came from, and what was learned of the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from graftline.errors import ConfigError
from graftline_workflows.lineage.ancestors import ROW_KINDS, Found, paragraphs_of, rows_of, trace
from graftline_workflows.lineage.steps import Place, lineage_of, places_read
from graftline_workflows.lineage.stored_rows import ID, StoredRows
from graftline_workflows.lineage.training import training_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graftline.store import Store
    from graftline.v1.manifest_pb2 import Manifest
    from graftline_workflows.lineage.ancestors import Paragraph
    from graftline_workflows.lineage.training import Training
    from graftline_workflows.session import StoreSession

FEW = 3
"""Learned rows that are shown of each relation."""

_NAMED_IDS = 3
_SHORTEST_START = 6


@dataclass(frozen=True)
class RowLineage:
    """A row and all that is known of it.

    Args:
        rows: The row as it stands in the step that was asked: once, or once a variant and split.
        ancestors: What it was made from, nearest first; a row that passed a step as it was stands
            here for each such step.
        paragraphs: What it stands on.
        training: What was learned of the same; nothing if the step has no adapter before it.
        lost: Names of steps that are no longer in the store.
    """

    rows: list[Found]
    ancestors: list[Found]
    paragraphs: list[Paragraph]
    training: Training | None
    lost: list[str]

    @property
    def asked(self) -> Found:
        """The row where its question stands: what a judge chose between does not hold it."""
        return _asked(self.rows, self.ancestors)

    def as_json(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        first = self.rows[0]
        answers = [item for item in (*self.rows, *self.ancestors) if item.is_answer]
        splits = {str(item.row["split"]) for item in self.rows if item.row.get("split")}
        return {
            "row": {
                "id": first.id,
                "step": first.place.manifest.step,
                "output": first.place.port,
                "key": first.place.manifest.key,
                "splits": sorted(splits),
                "question": self.asked.question,
                "expected": self.asked.expected,
                "answers": [item.answer_json() for item in answers],
            },
            "ancestors": [
                item.as_json() for item in self.ancestors if item.place.kind != "metrics"
            ],
            "paragraphs": [asdict(item) for item in self.paragraphs],
            "training": _training_json(self.training),
            "lost": self.lost,
        }


def row_lineage(session: StoreSession, manifest: Manifest, wanted: str) -> RowLineage:
    """Follow one row of a step back to its paragraphs, and to what was learned of them.

    Args:
        session: The open store.
        manifest: The step's.
        wanted: The row's id, or its first six or more characters.

    Raises:
        ConfigError: There is no such row, or its start fits several.
        DataError: A stored file cannot be read.
        GraftlineError: The store cannot be read.
    """
    store = session.store
    rows = _named_rows(store, manifest, wanted)
    manifests = lineage_of(session, manifest)
    known = {item.key for item in manifests}
    lost = {item.step for made in manifests for item in made.inputs if item.key not in known}
    places = places_read(manifests)
    ids = {rows[0].id}.union(*(item.made_from for item in rows))
    ancestors = trace(store, places, ids)
    own = [Place(manifest, item.port) for item in manifest.outputs]
    return RowLineage(
        rows,
        ancestors,
        paragraphs_of(rows[0], ancestors),
        training_of(store, [*own, *places], _asked(rows, ancestors), ancestors, FEW),
        sorted(lost),
    )


def _asked(rows: list[Found], ancestors: list[Found]) -> Found:
    same = [item for item in (*rows, *ancestors) if item.id == rows[0].id and item.question]
    return (same or rows)[0]


def _named_rows(store: Store, manifest: Manifest, wanted: str) -> list[Found]:
    places = [Place(manifest, item.port) for item in manifest.outputs]
    places = [place for place in places if place.kind in ROW_KINDS]
    rows = [row for place in places for row in rows_of(store, place, {wanted})]
    if not rows and len(wanted) >= _SHORTEST_START:
        starts = {id_ for id_ in _ids(store, places) if id_.startswith(wanted)}
        if len(starts) > 1:
            raise ConfigError(
                f"{len(starts):,} rows of step '{manifest.step}' begin with '{wanted}'",
                "give more of it",
            )
        rows = [row for place in places for row in rows_of(store, place, starts)]
    if not rows:
        raise _absent(store, places, manifest.step, wanted)
    return rows


def _absent(store: Store, places: list[Place], step: str, wanted: str) -> ConfigError:
    """Say that there is no such row, and which there are: of an evaluation, failed ones first."""
    failed: list[str] = []
    others: list[str] = []
    count = 0
    for place in places:
        for row in StoredRows(store, place).stream([ID, "failure"]):
            count += 1
            some = failed if row.get("failure") else others
            if len(some) < _NAMED_IDS and row[ID] not in some:
                some.append(row[ID])
    if not count:
        return ConfigError(
            f"step '{step}' has no rows with ids",
            "name a step that makes examples, chunks or documents, or evaluates",
        )
    what = "failed ones" if failed else "some"
    named = ", ".join(failed or others)
    return ConfigError(
        f"step '{step}' has no row '{wanted}'; {what} of its {count:,} rows: {named}"
    )


def _ids(store: Store, places: list[Place]) -> Iterator[str]:
    for place in places:
        for row in StoredRows(store, place).stream([ID]):
            yield row[ID]


def _training_json(training: Training | None) -> dict[str, Any] | None:
    if training is None:
        return None
    return {
        "step": training.place.manifest.step,
        "output": training.place.port,
        "key": training.place.manifest.key,
        "rows": training.rows,
        "holds_row": training.holds_row,
        **{name.replace("-", "_"): count for name, count in training.counts.items()},
        "shown": [asdict(item) for item in training.shown],
    }
