"""The store: S3 and nothing else.

`Store` is a bucket and a prefix; `Manifests` commits and fetches artifacts in it, `StoreVault`
keeps a running step's checkpoints, `RunRecords` says who ran what, `collect_garbage` removes what
no run reaches, and `EmbeddedStore` is a server of one's own for a machine without one.
"""

from graftline.store.artifacts import artifact_digest, describe_folder
from graftline.store.embedded import EmbeddedStore
from graftline.store.failures import CorruptBlob, StoreRefused
from graftline.store.garbage import GcReport, collect_garbage
from graftline.store.manifests import Committed, Lookup, Manifests
from graftline.store.objects import ObjectInfo, Store, StoredObject
from graftline.store.records import RunRecords
from graftline.store.vault import StoreVault
from graftline.store.waiting import await_answer

__all__ = [
    "Committed",
    "CorruptBlob",
    "EmbeddedStore",
    "GcReport",
    "Lookup",
    "Manifests",
    "ObjectInfo",
    "RunRecords",
    "Store",
    "StoreRefused",
    "StoreVault",
    "StoredObject",
    "artifact_digest",
    "await_answer",
    "collect_garbage",
    "describe_folder",
]
