"""Run records: who ran what, when, and the keys that `gc` keeps."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from graftline.errors import DataError
from graftline.store.names import RECORD_SUFFIX, RUNS, record_name, request_name
from graftline.store.transfer import PARALLEL_FILES, in_order
from graftline.v1 import plan_pb2, stage_pb2

if TYPE_CHECKING:
    from datetime import datetime

    from graftline.store.objects import Store
    from graftline.v1.plan_pb2 import RunRecord

_LOG = logging.getLogger(__name__)


class RunRecords:
    """The run records of a store."""

    def __init__(self, store: Store) -> None:
        """Use a store."""
        self._store = store

    def save(self, record: RunRecord) -> None:
        """Write a record in place of the one before it; a run has one writer.

        Raises:
            GraftlineError: It could not be written.
        """
        self._store.put(record_name(record.run), record.SerializeToString(deterministic=True))

    def load(self, run: str) -> RunRecord | None:
        """Give a run's record, or nothing if there is none.

        Raises:
            DataError: It cannot be read as one.
            GraftlineError: The store cannot be read.
        """
        found = self._store.get(record_name(run))
        if found is None:
            return None
        try:
            record = plan_pb2.RunRecord.FromString(found.data)
        except DecodeError:
            record = plan_pb2.RunRecord()
        if not found.intact or record.run != run:
            name = self._store.full_name(record_name(run))
            raise DataError(
                f"the record of run '{run}' cannot be read",
                f"remove s3://{self._store.bucket}/{name} to go on without it",
            )
        return record

    def save_request(self, request: stage_pb2.StageRequest) -> None:
        """Write what a step has to do in a run, for the process that will do it.

        Raises:
            GraftlineError: It could not be written.
        """
        name = request_name(request.run, request.step)
        self._store.put(name, request.SerializeToString(deterministic=True))

    def load_request(self, run: str, step: str) -> stage_pb2.StageRequest:
        """Give what a step has to do in a run.

        Raises:
            DataError: There is no such request, or it cannot be read as one.
            GraftlineError: The store cannot be read.
        """
        found = self._store.get(request_name(run, step))
        if found is None:
            raise DataError(
                f"{self._store.place} holds no request for step '{step}' of run '{run}'",
                "the run's plan writes it: look at how the plan ended",
            )
        try:
            request = stage_pb2.StageRequest.FromString(found.data)
        except DecodeError:
            request = stage_pb2.StageRequest()
        if not found.intact or (request.run, request.step) != (run, step):
            raise DataError(f"the request for step '{step}' of run '{run}' cannot be read")
        return request

    def list(self, limit: int | None = None) -> list[RunRecord]:
        """Give records, the newest first; one that cannot be read is told in the log.

        Args:
            limit: Only that many, by when they were last written.

        Raises:
            GraftlineError: The store cannot be read.
        """
        written = sorted(((when, run) for run, when in self.written().items()), reverse=True)
        runs = [run for _, run in written[:limit]]
        loaded = in_order(self._load_or_warn, runs, PARALLEL_FILES)
        found = [record for record in loaded if record is not None]
        return sorted(found, key=lambda r: (r.started_at.ToNanoseconds(), r.run), reverse=True)

    def written(self) -> dict[str, datetime]:
        """Give when each run's record was last written.

        Raises:
            GraftlineError: The store cannot be read.
        """
        return {
            item.name.removeprefix(RUNS).removesuffix(RECORD_SUFFIX): item.modified
            for item in self._store.list(RUNS, nested=False)
            if item.name.endswith(RECORD_SUFFIX)
        }

    def _load_or_warn(self, run: str) -> RunRecord | None:
        try:
            return self.load(run)
        except DataError as error:
            _LOG.warning("%s", error)
            return None
