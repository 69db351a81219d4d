import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from graftline.v1 import stage_pb2 as _stage_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RunState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_STATE_UNSPECIFIED: _ClassVar[RunState]
    RUN_STATE_RUNNING: _ClassVar[RunState]
    RUN_STATE_SUCCEEDED: _ClassVar[RunState]
    RUN_STATE_GATE_FAILED: _ClassVar[RunState]
    RUN_STATE_FAILED: _ClassVar[RunState]
    RUN_STATE_CANCELLED: _ClassVar[RunState]
RUN_STATE_UNSPECIFIED: RunState
RUN_STATE_RUNNING: RunState
RUN_STATE_SUCCEEDED: RunState
RUN_STATE_GATE_FAILED: RunState
RUN_STATE_FAILED: RunState
RUN_STATE_CANCELLED: RunState

class PlannedStep(_message.Message):
    __slots__ = ("request", "cached", "reason", "resources")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    request: _stage_pb2.StageRequest
    cached: bool
    reason: str
    resources: _stage_pb2.ResourceClass
    def __init__(self, request: _Optional[_Union[_stage_pb2.StageRequest, _Mapping]] = ..., cached: _Optional[bool] = ..., reason: _Optional[str] = ..., resources: _Optional[_Union[_stage_pb2.ResourceClass, str]] = ...) -> None: ...

class Plan(_message.Message):
    __slots__ = ("recipe", "profile", "steps")
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    recipe: str
    profile: str
    steps: _containers.RepeatedCompositeFieldContainer[PlannedStep]
    def __init__(self, recipe: _Optional[str] = ..., profile: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[PlannedStep, _Mapping]]] = ...) -> None: ...

class RunStep(_message.Message):
    __slots__ = ("step", "stage", "key", "cached", "state", "message")
    STEP_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    step: str
    stage: str
    key: str
    cached: bool
    state: _stage_pb2.StepState
    message: str
    def __init__(self, step: _Optional[str] = ..., stage: _Optional[str] = ..., key: _Optional[str] = ..., cached: _Optional[bool] = ..., state: _Optional[_Union[_stage_pb2.StepState, str]] = ..., message: _Optional[str] = ...) -> None: ...

class RunRecord(_message.Message):
    __slots__ = ("run", "recipe", "profile", "user", "host", "engine", "state", "steps", "started_at", "finished_at", "gate", "recipe_text", "overrides", "requests")
    RUN_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    RECIPE_TEXT_FIELD_NUMBER: _ClassVar[int]
    OVERRIDES_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    run: str
    recipe: str
    profile: str
    user: str
    host: str
    engine: str
    state: RunState
    steps: _containers.RepeatedCompositeFieldContainer[RunStep]
    started_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    gate: str
    recipe_text: str
    overrides: _containers.RepeatedScalarFieldContainer[str]
    requests: _containers.RepeatedCompositeFieldContainer[_stage_pb2.StageRequest]
    def __init__(self, run: _Optional[str] = ..., recipe: _Optional[str] = ..., profile: _Optional[str] = ..., user: _Optional[str] = ..., host: _Optional[str] = ..., engine: _Optional[str] = ..., state: _Optional[_Union[RunState, str]] = ..., steps: _Optional[_Iterable[_Union[RunStep, _Mapping]]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., gate: _Optional[str] = ..., recipe_text: _Optional[str] = ..., overrides: _Optional[_Iterable[str]] = ..., requests: _Optional[_Iterable[_Union[_stage_pb2.StageRequest, _Mapping]]] = ...) -> None: ...
