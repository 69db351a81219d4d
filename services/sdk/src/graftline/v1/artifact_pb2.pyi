from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ArtifactKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ARTIFACT_KIND_UNSPECIFIED: _ClassVar[ArtifactKind]
    ARTIFACT_KIND_DOCUMENTS: _ClassVar[ArtifactKind]
    ARTIFACT_KIND_CHUNKS: _ClassVar[ArtifactKind]
    ARTIFACT_KIND_SESSIONS: _ClassVar[ArtifactKind]
    ARTIFACT_KIND_EXAMPLES: _ClassVar[ArtifactKind]
    ARTIFACT_KIND_PREFERENCES: _ClassVar[ArtifactKind]
    ARTIFACT_KIND_TRAINING_SET: _ClassVar[ArtifactKind]
    ARTIFACT_KIND_MODEL: _ClassVar[ArtifactKind]
    ARTIFACT_KIND_ADAPTER: _ClassVar[ArtifactKind]
    ARTIFACT_KIND_METRICS: _ClassVar[ArtifactKind]
    ARTIFACT_KIND_BUNDLE: _ClassVar[ArtifactKind]
    ARTIFACT_KIND_REPORT: _ClassVar[ArtifactKind]
    ARTIFACT_KIND_REJECTS: _ClassVar[ArtifactKind]
ARTIFACT_KIND_UNSPECIFIED: ArtifactKind
ARTIFACT_KIND_DOCUMENTS: ArtifactKind
ARTIFACT_KIND_CHUNKS: ArtifactKind
ARTIFACT_KIND_SESSIONS: ArtifactKind
ARTIFACT_KIND_EXAMPLES: ArtifactKind
ARTIFACT_KIND_PREFERENCES: ArtifactKind
ARTIFACT_KIND_TRAINING_SET: ArtifactKind
ARTIFACT_KIND_MODEL: ArtifactKind
ARTIFACT_KIND_ADAPTER: ArtifactKind
ARTIFACT_KIND_METRICS: ArtifactKind
ARTIFACT_KIND_BUNDLE: ArtifactKind
ARTIFACT_KIND_REPORT: ArtifactKind
ARTIFACT_KIND_REJECTS: ArtifactKind

class Blob(_message.Message):
    __slots__ = ("path", "size", "sha256")
    PATH_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    path: str
    size: int
    sha256: str
    def __init__(self, path: _Optional[str] = ..., size: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...

class Artifact(_message.Message):
    __slots__ = ("kind", "blobs", "rows", "schema_fingerprint", "digest")
    KIND_FIELD_NUMBER: _ClassVar[int]
    BLOBS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    kind: ArtifactKind
    blobs: _containers.RepeatedCompositeFieldContainer[Blob]
    rows: int
    schema_fingerprint: str
    digest: str
    def __init__(self, kind: _Optional[_Union[ArtifactKind, str]] = ..., blobs: _Optional[_Iterable[_Union[Blob, _Mapping]]] = ..., rows: _Optional[int] = ..., schema_fingerprint: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...
