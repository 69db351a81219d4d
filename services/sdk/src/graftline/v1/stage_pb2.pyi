import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from graftline.v1 import artifact_pb2 as _artifact_pb2
from graftline.v1 import manifest_pb2 as _manifest_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ResourceClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESOURCE_CLASS_UNSPECIFIED: _ClassVar[ResourceClass]
    RESOURCE_CLASS_CPU: _ClassVar[ResourceClass]
    RESOURCE_CLASS_GPU: _ClassVar[ResourceClass]

class StepState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STEP_STATE_UNSPECIFIED: _ClassVar[StepState]
    STEP_STATE_WAITING: _ClassVar[StepState]
    STEP_STATE_FETCHING: _ClassVar[StepState]
    STEP_STATE_RUNNING: _ClassVar[StepState]
    STEP_STATE_COMMITTING: _ClassVar[StepState]
    STEP_STATE_SUCCEEDED: _ClassVar[StepState]
    STEP_STATE_FAILED: _ClassVar[StepState]
    STEP_STATE_CANCELLED: _ClassVar[StepState]
    STEP_STATE_CACHED: _ClassVar[StepState]
RESOURCE_CLASS_UNSPECIFIED: ResourceClass
RESOURCE_CLASS_CPU: ResourceClass
RESOURCE_CLASS_GPU: ResourceClass
STEP_STATE_UNSPECIFIED: StepState
STEP_STATE_WAITING: StepState
STEP_STATE_FETCHING: StepState
STEP_STATE_RUNNING: StepState
STEP_STATE_COMMITTING: StepState
STEP_STATE_SUCCEEDED: StepState
STEP_STATE_FAILED: StepState
STEP_STATE_CANCELLED: StepState
STEP_STATE_CACHED: StepState

class Port(_message.Message):
    __slots__ = ("name", "kinds", "optional", "repeated", "help", "manifest_only", "files")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    OPTIONAL_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    HELP_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_ONLY_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    name: str
    kinds: _containers.RepeatedScalarFieldContainer[_artifact_pb2.ArtifactKind]
    optional: bool
    repeated: bool
    help: str
    manifest_only: bool
    files: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., kinds: _Optional[_Iterable[_Union[_artifact_pb2.ArtifactKind, str]]] = ..., optional: _Optional[bool] = ..., repeated: _Optional[bool] = ..., help: _Optional[str] = ..., manifest_only: _Optional[bool] = ..., files: _Optional[_Iterable[str]] = ...) -> None: ...

class StageDescriptor(_message.Message):
    __slots__ = ("contract_version", "name", "version", "summary", "inputs", "outputs", "config_schema", "runtime_schema", "ranks", "resources", "conserves_rows")
    CONTRACT_VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    CONFIG_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    RANKS_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    CONSERVES_ROWS_FIELD_NUMBER: _ClassVar[int]
    contract_version: str
    name: str
    version: str
    summary: str
    inputs: _containers.RepeatedCompositeFieldContainer[Port]
    outputs: _containers.RepeatedCompositeFieldContainer[Port]
    config_schema: str
    runtime_schema: str
    ranks: bool
    resources: ResourceClass
    conserves_rows: bool
    def __init__(self, contract_version: _Optional[str] = ..., name: _Optional[str] = ..., version: _Optional[str] = ..., summary: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[Port, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[Port, _Mapping]]] = ..., config_schema: _Optional[str] = ..., runtime_schema: _Optional[str] = ..., ranks: _Optional[bool] = ..., resources: _Optional[_Union[ResourceClass, str]] = ..., conserves_rows: _Optional[bool] = ...) -> None: ...

class RequestInput(_message.Message):
    __slots__ = ("port", "step", "key", "output")
    PORT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    port: str
    step: str
    key: str
    output: str
    def __init__(self, port: _Optional[str] = ..., step: _Optional[str] = ..., key: _Optional[str] = ..., output: _Optional[str] = ...) -> None: ...

class StageRequest(_message.Message):
    __slots__ = ("contract_version", "run", "step", "stage", "key", "image", "identity", "config", "runtime", "seed", "inputs", "sources", "store", "rank", "ranks", "attempt")
    CONTRACT_VERSION_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    RANKS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    contract_version: str
    run: str
    step: str
    stage: str
    key: str
    image: str
    identity: str
    config: str
    runtime: str
    seed: int
    inputs: _containers.RepeatedCompositeFieldContainer[RequestInput]
    sources: _containers.RepeatedCompositeFieldContainer[_manifest_pb2.SourceRef]
    store: str
    rank: int
    ranks: int
    attempt: int
    def __init__(self, contract_version: _Optional[str] = ..., run: _Optional[str] = ..., step: _Optional[str] = ..., stage: _Optional[str] = ..., key: _Optional[str] = ..., image: _Optional[str] = ..., identity: _Optional[str] = ..., config: _Optional[str] = ..., runtime: _Optional[str] = ..., seed: _Optional[int] = ..., inputs: _Optional[_Iterable[_Union[RequestInput, _Mapping]]] = ..., sources: _Optional[_Iterable[_Union[_manifest_pb2.SourceRef, _Mapping]]] = ..., store: _Optional[str] = ..., rank: _Optional[int] = ..., ranks: _Optional[int] = ..., attempt: _Optional[int] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("done", "total", "unit")
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    done: int
    total: int
    unit: str
    def __init__(self, done: _Optional[int] = ..., total: _Optional[int] = ..., unit: _Optional[str] = ...) -> None: ...

class LogLine(_message.Message):
    __slots__ = ("level", "text")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    level: str
    text: str
    def __init__(self, level: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class MetricPoint(_message.Message):
    __slots__ = ("name", "value", "at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    at: int
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., at: _Optional[int] = ...) -> None: ...

class StateChange(_message.Message):
    __slots__ = ("state", "message", "exit_code")
    STATE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    state: StepState
    message: str
    exit_code: int
    def __init__(self, state: _Optional[_Union[StepState, str]] = ..., message: _Optional[str] = ..., exit_code: _Optional[int] = ...) -> None: ...

class StageEvent(_message.Message):
    __slots__ = ("run", "step", "rank", "at", "progress", "log", "metric", "state")
    RUN_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    run: str
    step: str
    rank: int
    at: _timestamp_pb2.Timestamp
    progress: Progress
    log: LogLine
    metric: MetricPoint
    state: StateChange
    def __init__(self, run: _Optional[str] = ..., step: _Optional[str] = ..., rank: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., log: _Optional[_Union[LogLine, _Mapping]] = ..., metric: _Optional[_Union[MetricPoint, _Mapping]] = ..., state: _Optional[_Union[StateChange, _Mapping]] = ...) -> None: ...

class StageResult(_message.Message):
    __slots__ = ("outputs", "rows_in", "rows_out", "rejected", "cost", "base_model", "figures")
    class OutputRows(_message.Message):
        __slots__ = ("port", "rows", "kind")
        PORT_FIELD_NUMBER: _ClassVar[int]
        ROWS_FIELD_NUMBER: _ClassVar[int]
        KIND_FIELD_NUMBER: _ClassVar[int]
        port: str
        rows: int
        kind: _artifact_pb2.ArtifactKind
        def __init__(self, port: _Optional[str] = ..., rows: _Optional[int] = ..., kind: _Optional[_Union[_artifact_pb2.ArtifactKind, str]] = ...) -> None: ...
    class FiguresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ROWS_IN_FIELD_NUMBER: _ClassVar[int]
    ROWS_OUT_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    outputs: _containers.RepeatedCompositeFieldContainer[StageResult.OutputRows]
    rows_in: int
    rows_out: int
    rejected: _containers.RepeatedCompositeFieldContainer[_manifest_pb2.RejectCount]
    cost: _manifest_pb2.Cost
    base_model: str
    figures: _containers.ScalarMap[str, float]
    def __init__(self, outputs: _Optional[_Iterable[_Union[StageResult.OutputRows, _Mapping]]] = ..., rows_in: _Optional[int] = ..., rows_out: _Optional[int] = ..., rejected: _Optional[_Iterable[_Union[_manifest_pb2.RejectCount, _Mapping]]] = ..., cost: _Optional[_Union[_manifest_pb2.Cost, _Mapping]] = ..., base_model: _Optional[str] = ..., figures: _Optional[_Mapping[str, float]] = ...) -> None: ...
