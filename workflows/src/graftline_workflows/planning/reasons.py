"""Why a step has to be built: what differs from the last run of the same recipe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from graftline.v1 import plan_pb2, stage_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ABSENT = "absent"
_SHOWN = 4


class LastRun:
    """What the last run of a recipe asked of each step.

    Args:
        record: Its record, if there was a run.
    """

    def __init__(self, record: plan_pb2.RunRecord | None) -> None:
        """Index the record's requests by step."""
        self.run = record.run if record else ""
        self._requests = {item.step: item for item in record.requests} if record else {}
        self._done = (
            {
                item.step
                for item in record.steps
                if item.state in (stage_pb2.STEP_STATE_SUCCEEDED, stage_pb2.STEP_STATE_CACHED)
            }
            if record
            else set()
        )

    def request(self, step: str) -> stage_pb2.StageRequest | None:
        """Give what the step was asked to do."""
        return self._requests.get(step)

    def finished(self, step: str) -> bool:
        """Whether the step was done then."""
        return step in self._done


def why_build(
    request: stage_pb2.StageRequest, last: LastRun, problem: str, to_build: Sequence[str]
) -> str:
    """Say in one line why a step has to be built.

    Args:
        request: What is asked of it now.
        last: The last run.
        problem: What the store says of its key; `absent` if there is nothing.
        to_build: The steps that it reads and that have to be built first.
    """
    if problem != _ABSENT:
        return problem
    before = last.request(request.step)
    rebuilt = [f"input '{name}' is rebuilt" for name in dict.fromkeys(to_build)]
    if before is None:
        return "never built"
    reasons = [*_differences(before, request, set(to_build)), *rebuilt]
    if reasons:
        return _listed(reasons)
    if last.finished(request.step):
        return f"its artifact is gone from the store (it was there in run {last.run})"
    return "never built"


def _listed(reasons: list[str]) -> str:
    more = len(reasons) - _SHOWN
    shown = reasons[:_SHOWN] if more > 0 else reasons
    return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")


def _differences(
    before: stage_pb2.StageRequest, now: stage_pb2.StageRequest, to_build: set[str]
) -> Iterator[str]:
    step = now.step
    if before.stage != now.stage:
        yield f"stage {before.stage} → {now.stage}"
        return  # the settings of two stages have nothing in common
    if before.contract_version != now.contract_version:
        yield f"contract version {before.contract_version} → {now.contract_version}"
    if before.image != now.image:
        own = "the stage's own"
        yield f"image {before.image or own} → {now.image or own}"
    elif before.identity != now.identity:
        yield "program changed" if now.image else "stage's code changed"
    sources = {item.setting for item in [*before.sources, *now.sources]}
    old, new = _settings(before, sources), _settings(now, sources)
    yield from _changed_values(step, old, new)
    if before.seed != now.seed:
        yield f"seed {before.seed} → {now.seed}"
    yield from _changed_sources(before, now)
    yield from _changed_inputs(before, now, to_build)


def _settings(request: stage_pb2.StageRequest, sources: set[str]) -> dict[str, Any]:
    values = json.loads(request.config or "{}")
    return {name: value for name, value in values.items() if name not in sources}


def _changed_values(path: str, before: Any, now: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted(before.keys() | now.keys()):
            yield from _changed_values(f"{path}.{name}", before.get(name), now.get(name))
    elif before != now:
        yield f"{path} {_short(before)} → {_short(now)}"


def _short(value: Any, limit: int = 40) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _changed_sources(before: stage_pb2.StageRequest, now: stage_pb2.StageRequest) -> Iterator[str]:
    old = {item.setting: item for item in before.sources}
    new = {item.setting: item for item in now.sources}
    for setting in sorted(old.keys() | new.keys()):
        one, other = old.get(setting), new.get(setting)
        if one is None or other is None:
            yield f"source '{setting}' {'added' if one is None else 'removed'}"
        elif one.fingerprint != other.fingerprint:
            where = "" if one.uri == other.uri else f" {one.uri} → {other.uri}"
            yield f"source changed{where or f': {other.uri}'}"


def _changed_inputs(
    before: stage_pb2.StageRequest, now: stage_pb2.StageRequest, to_build: set[str]
) -> Iterator[str]:
    """Name inputs that are others than then; those to be rebuilt are told elsewhere."""

    def by_port(request: stage_pb2.StageRequest) -> dict[tuple[str, str], list[tuple[str, str]]]:
        found: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for item in request.inputs:
            found.setdefault((item.port, item.step), []).append((item.key, item.output))
        return found

    old, new = by_port(before), by_port(now)
    for port, step in sorted(old.keys() | new.keys()):
        if step in to_build:
            continue
        if (port, step) not in old:
            yield f"input '{step}' added"
        elif (port, step) not in new:
            yield f"input '{step}' removed"
        elif old[port, step] != new[port, step]:
            yield f"input '{step}' changed"
