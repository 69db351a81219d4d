import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from graftline.v1 import artifact_pb2 as _artifact_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InputRef(_message.Message):
    __slots__ = ("port", "key", "output", "artifact_digest", "manifest_digest", "step")
    PORT_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    port: str
    key: str
    output: str
    artifact_digest: str
    manifest_digest: str
    step: str
    def __init__(self, port: _Optional[str] = ..., key: _Optional[str] = ..., output: _Optional[str] = ..., artifact_digest: _Optional[str] = ..., manifest_digest: _Optional[str] = ..., step: _Optional[str] = ...) -> None: ...

class OutputRef(_message.Message):
    __slots__ = ("port", "artifact")
    PORT_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    port: str
    artifact: _artifact_pb2.Artifact
    def __init__(self, port: _Optional[str] = ..., artifact: _Optional[_Union[_artifact_pb2.Artifact, _Mapping]] = ...) -> None: ...

class SourceRef(_message.Message):
    __slots__ = ("setting", "uri", "fingerprint")
    SETTING_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    setting: str
    uri: str
    fingerprint: str
    def __init__(self, setting: _Optional[str] = ..., uri: _Optional[str] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class RejectCount(_message.Message):
    __slots__ = ("reason", "rows")
    REASON_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    reason: str
    rows: int
    def __init__(self, reason: _Optional[str] = ..., rows: _Optional[int] = ...) -> None: ...

class Cost(_message.Message):
    __slots__ = ("wall_seconds", "cpu_seconds", "gpu_seconds", "input_tokens", "output_tokens", "usd", "peak_memory_bytes")
    WALL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    GPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    USD_FIELD_NUMBER: _ClassVar[int]
    PEAK_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    wall_seconds: float
    cpu_seconds: float
    gpu_seconds: float
    input_tokens: int
    output_tokens: int
    usd: float
    peak_memory_bytes: int
    def __init__(self, wall_seconds: _Optional[float] = ..., cpu_seconds: _Optional[float] = ..., gpu_seconds: _Optional[float] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., usd: _Optional[float] = ..., peak_memory_bytes: _Optional[int] = ...) -> None: ...

class Manifest(_message.Message):
    __slots__ = ("contract_version", "key", "step", "stage", "stage_version", "image", "identity", "config", "runtime", "seed", "inputs", "sources", "outputs", "rows_in", "rows_out", "rejected", "cost", "packages", "base_model", "started_at", "finished_at", "attempt", "run", "figures")
    class PackagesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class FiguresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    CONTRACT_VERSION_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    STAGE_VERSION_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ROWS_IN_FIELD_NUMBER: _ClassVar[int]
    ROWS_OUT_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    PACKAGES_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    contract_version: str
    key: str
    step: str
    stage: str
    stage_version: str
    image: str
    identity: str
    config: str
    runtime: str
    seed: int
    inputs: _containers.RepeatedCompositeFieldContainer[InputRef]
    sources: _containers.RepeatedCompositeFieldContainer[SourceRef]
    outputs: _containers.RepeatedCompositeFieldContainer[OutputRef]
    rows_in: int
    rows_out: int
    rejected: _containers.RepeatedCompositeFieldContainer[RejectCount]
    cost: Cost
    packages: _containers.ScalarMap[str, str]
    base_model: str
    started_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    attempt: int
    run: str
    figures: _containers.ScalarMap[str, float]
    def __init__(self, contract_version: _Optional[str] = ..., key: _Optional[str] = ..., step: _Optional[str] = ..., stage: _Optional[str] = ..., stage_version: _Optional[str] = ..., image: _Optional[str] = ..., identity: _Optional[str] = ..., config: _Optional[str] = ..., runtime: _Optional[str] = ..., seed: _Optional[int] = ..., inputs: _Optional[_Iterable[_Union[InputRef, _Mapping]]] = ..., sources: _Optional[_Iterable[_Union[SourceRef, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[OutputRef, _Mapping]]] = ..., rows_in: _Optional[int] = ..., rows_out: _Optional[int] = ..., rejected: _Optional[_Iterable[_Union[RejectCount, _Mapping]]] = ..., cost: _Optional[_Union[Cost, _Mapping]] = ..., packages: _Optional[_Mapping[str, str]] = ..., base_model: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempt: _Optional[int] = ..., run: _Optional[str] = ..., figures: _Optional[_Mapping[str, float]] = ...) -> None: ...
