"""The ManifestsService: questions in, answers or a status out."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc

from graftline.errors import BugError, GraftlineError
from graftline.v1 import index_service_pb2, index_service_pb2_grpc
from graftline_index import questions
from graftline_index.questions import Absent, BadQuestion, TooMuch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from graftline_index.reading import ManifestReader

_LOG = logging.getLogger(__name__)
_CALLS_AT_ONCE = 64


class ManifestsService(index_service_pb2_grpc.ManifestsServiceServicer):
    """A servicer for `grpc.aio` over a store's manifests; it only reads."""

    def __init__(self, reader: ManifestReader) -> None:
        """Use a reader."""
        self._reader = reader
        self._calls = 0

    async def GetManifest(
        self, request: index_service_pb2.GetManifestRequest, context: Any
    ) -> index_service_pb2.GetManifestResponse:
        """Give a key's manifest, whatever became of its blobs, and the digest of its bytes."""
        async with self._answering("GetManifest", context):
            found = await self._reader.look_up(questions.one_key(request.key))
            return index_service_pb2.GetManifestResponse(
                manifest=found.manifest, digest=found.digest
            )

    async def ListManifests(
        self, request: index_service_pb2.ListManifestsRequest, context: Any
    ) -> index_service_pb2.ListManifestsResponse:
        """Give a page of manifests in order of their keys; the last has no next token."""
        async with self._answering("ListManifests", context):
            stages = questions.stage_filter(request.stages)
            after = questions.read_token(request.page_token, stages)
            size = questions.page_size(request.page_size)
            page = await self._reader.page(after, size, stages)
            token = questions.make_token(page.after, stages) if page.after else ""
            return index_service_pb2.ListManifestsResponse(
                manifests=page.manifests, next_page_token=token
            )

    async def ResolveKeys(
        self, request: index_service_pb2.ResolveKeysRequest, context: Any
    ) -> index_service_pb2.ResolveKeysResponse:
        """Say which of at most 1,000 keys have a complete artifact, each once."""
        async with self._answering("ResolveKeys", context):
            keys = questions.many_keys(request.keys)
            present = await self._reader.present(keys)
            return index_service_pb2.ResolveKeysResponse(present=present)

    async def GetLineage(
        self, request: index_service_pb2.GetLineageRequest, context: Any
    ) -> index_service_pb2.GetLineageResponse:
        """Give a manifest and all that it was made from."""
        async with self._answering("GetLineage", context):
            manifests = await self._reader.lineage(questions.one_key(request.key))
            return index_service_pb2.GetLineageResponse(manifests=manifests)

    @asynccontextmanager
    async def _answering(self, what: str, context: Any) -> AsyncIterator[None]:
        """Turn errors into a status and one clear line; more than that stands in the log."""
        status, said = grpc.StatusCode.OK, ""
        self._calls += 1
        try:
            if self._calls > _CALLS_AT_ONCE:
                raise TooMuch(f"{_CALLS_AT_ONCE} questions wait already; ask again")
            yield
            return
        except (BadQuestion, Absent, TooMuch) as error:
            status, said = _STATUS[type(error)], str(error)
        except BugError as error:
            _LOG.exception("%s", what)
            status, said = grpc.StatusCode.INTERNAL, error.cause
        except GraftlineError as error:
            _LOG.warning("%s: %s", what, error)
            status, said = grpc.StatusCode.UNAVAILABLE, error.cause
        except Exception as error:
            _LOG.exception("%s", what)
            status = grpc.StatusCode.INTERNAL
            said = f"a bug in the index ({type(error).__name__}): its log says more"
        finally:
            self._calls -= 1
        await context.abort(status, said)


_STATUS: dict[type[GraftlineError], grpc.StatusCode] = {
    BadQuestion: grpc.StatusCode.INVALID_ARGUMENT,
    Absent: grpc.StatusCode.NOT_FOUND,
    TooMuch: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
