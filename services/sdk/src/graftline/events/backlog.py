"""What was said lately, in bounded memory, for whoever listens late, slowly or again."""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import chain, takewhile
from typing import TYPE_CHECKING

from graftline.v1 import stage_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KEPT_STATES = 2_000
KEPT_CHATTER = 2_000
KEPT_PROGRESS = 2_000
KEPT_BYTES = 8 << 20
KEPT_RUNS = 256
KEPT_BYTES_IN_ALL = 64 << 20
MAX_EVENT_BYTES = 16 << 10
# What an event takes in Python beside its own bytes, roughly.
_OVERHEAD_BYTES = 512
_CUT = " … (cut)"

Numbered = tuple[int, stage_pb2.StageEvent]
"""An event with its place in the order of all."""


def fitted(event: stage_pb2.StageEvent) -> stage_pb2.StageEvent | None:
    """Give an event of at most 16 KiB: a longer text is cut, what is still longer is nothing."""
    excess = event.ByteSize() - MAX_EVENT_BYTES
    if excess <= 0:
        return event
    cut = stage_pb2.StageEvent()
    cut.CopyFrom(event)
    # The lengths before it may shrink with a text, never grow.
    if cut.WhichOneof("event") == "log":
        cut.log.text = _without_end(cut.log.text, excess)
    elif cut.WhichOneof("event") == "state":
        cut.state.message = _without_end(cut.state.message, excess)
    return cut if cut.ByteSize() <= MAX_EVENT_BYTES else None


class Backlog:
    """The events of one run, in order, as far as they are kept. Not safe for threads.

    Of progress only the newest of each step and rank is kept, of states and of what else is said
    the newest 2,000 each, in 8 MiB: chatter goes first, so that it never pushes out a state. Who
    reads remembers the number of the last event that it took; nothing is kept for a reader.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._states: deque[Numbered] = deque()
        self._chatter: deque[Numbered] = deque()
        self._progress: OrderedDict[tuple[str, int], Numbered] = OrderedDict()
        self._last: OrderedDict[tuple[str, int, str | None], stage_pb2.StageEvent] = OrderedDict()
        self.size = 0

    def add(self, number: int, event: stage_pb2.StageEvent) -> bool:
        """Keep an event; False for a step's last one again: a reporter repeats what is in doubt.

        Args:
            number: Higher than all before.
            event: At most 16 KiB (see `fitted`).
        """
        kind = event.WhichOneof("event")
        speaker = (event.step, event.rank)
        last = (*speaker, kind)
        if self._last.get(last) == event:
            return False
        self._last[last] = event
        self._last.move_to_end(last)
        if kind == "progress":
            before = self._progress.pop(speaker, None)
            if before is not None:
                self._drop(before)
            self._progress[speaker] = (number, event)
        elif kind == "state":
            self._states.append((number, event))
        else:
            self._chatter.append((number, event))
        self.size += _size(event)
        self._shrink()
        return True

    def after(self, number: int, limit: int) -> list[Numbered]:
        """Give the events after a number, the oldest first, at most `limit`."""
        kept = (self._states, self._chatter, self._progress.values())
        found = sorted(chain.from_iterable(_newer(events, number) for events in kept), key=_number)
        return found[:limit]

    def standing(self, number: int) -> list[stage_pb2.StageEvent]:
        """Give each step's last state and progress, of the events up to a number."""
        last = {(e.step, e.rank): (n, e) for n, e in self._states if n <= number}
        progress = [(n, e) for n, e in self._progress.values() if n <= number]
        return [event for _, event in sorted([*last.values(), *progress], key=_number)]

    def _shrink(self) -> None:
        while len(self._progress) > KEPT_PROGRESS:
            self._drop(self._progress.popitem(last=False)[1])
        while len(self._last) > KEPT_STATES:
            self._last.popitem(last=False)
        while len(self._states) > KEPT_STATES:
            self._drop(self._states.popleft())
        while len(self._chatter) > KEPT_CHATTER or (self.size > KEPT_BYTES and self._chatter):
            self._drop(self._chatter.popleft())
        while self.size > KEPT_BYTES and self._states:
            self._drop(self._states.popleft())
        while self.size > KEPT_BYTES:
            self._drop(self._progress.popitem(last=False)[1])

    def _drop(self, numbered: Numbered) -> None:
        self.size -= _size(numbered[1])


class Backlogs:
    """The backlogs of all runs: at most 256 runs in 64 MiB, the longest silent goes first.

    Not safe for threads.
    """

    def __init__(self) -> None:
        """Begin with no runs."""
        self._runs: OrderedDict[str, Backlog] = OrderedDict()
        self._number = 0
        self.size = 0

    def __len__(self) -> int:
        """How many runs are kept."""
        return len(self._runs)

    def add(self, event: stage_pb2.StageEvent) -> bool:
        """Keep an event of any run; False for one that is known already."""
        run = self._runs.get(event.run)
        if run is None:
            run = self._runs[event.run] = Backlog()
        self._number += 1
        before = run.size
        is_new = run.add(self._number, event)
        self.size += run.size - before
        self._runs.move_to_end(event.run)
        while len(self._runs) > KEPT_RUNS or (self.size > KEPT_BYTES_IN_ALL and len(self) > 1):
            self.size -= self._runs.popitem(last=False)[1].size
        return is_new

    def after(self, number: int, run: str, limit: int) -> list[Numbered]:
        """Give a run's events (every run's, for an empty name) after a number, oldest first."""
        if run:
            kept = self._runs.get(run)
            return kept.after(number, limit) if kept is not None else []
        found = chain.from_iterable(one.after(number, limit) for one in self._runs.values())
        return sorted(found, key=_number)[:limit]


def _newer(events: Iterable[Numbered], number: int) -> Iterator[Numbered]:
    backwards = reversed(events)  # type: ignore[call-overload]
    return takewhile(lambda numbered: numbered[0] > number, backwards)


def _number(numbered: Numbered) -> int:
    return numbered[0]


def _size(event: stage_pb2.StageEvent) -> int:
    return event.ByteSize() + _OVERHEAD_BYTES


def _without_end(text: str, excess: int) -> str:
    kept = len(text.encode()) - excess - len(_CUT.encode())
    return text.encode()[: max(0, kept)].decode(errors="ignore") + _CUT
