"""How many requests one endpoint gets at once, learned from how it answers.

Additive increase, multiplicative decrease (Chiu & Jain 1989), with what TCP's later variants add:
growth is fast up to where it has gone well before; all requests that were under way together are
cut for once; and a level above which the server refuses is kept as its capacity, and tried again
more and more rarely as long as the next try ends in the same place (CUBIC's plateau).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Trouble = Literal["unreachable", "unavailable", "failed", "slow", "throttled"]
"""What went wrong at the endpoint, as far as its load is concerned."""

_START = 8
_FAILURES_UNTIL_DOWN = 3
_FIRST_COOL_S = 0.5
# A server that breaks on a request answers the next one at once; one that is away takes longer.
_LONGEST_COOL_S = {"failed": 4.0, "unreachable": 10.0, "unavailable": 10.0}
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 30.0
_FIRST_HOLD, _LONGEST_HOLD = 4, 256


@dataclass(frozen=True)
class Sending:
    """A request under way: when it was sent, and the how-manieth it was in flight."""

    at: float
    level: int


class Limiter:
    """The state of one endpoint; all times are seconds of one monotonic clock.

    Args:
        most: Requests in flight at most, whatever happens.
    """

    def __init__(self, most: int) -> None:
        """Begin with a few requests."""
        self.most = most
        self.in_flight = 0
        self.opens_at = -math.inf
        self.down = False
        self.last_success = -math.inf
        self._limit = float(min(most, _START))
        # Growth is by one an answer below the threshold, by one a round trip above it.
        self._threshold = math.inf
        # The highest level that the server takes, once it has refused the next one; it is kept
        # for `_hold` round trips, of which `_clean` counts the answers.
        self._ceiling: int | None = None
        self._hold = _FIRST_HOLD
        self._clean = 0
        self._cut_at = -math.inf
        self._failures = 0
        self._cool_s = 0.0
        self._pause_s = 0.0

    def slots(self, now: float) -> int:
        """How many requests may be in flight now; one, to probe, while the endpoint is down."""
        if now < self.opens_at:
            return 0
        return 1 if self.down else int(self._limit)

    def has_room(self, now: float) -> bool:
        """Whether one more request may be sent."""
        return self.in_flight < self.slots(now)

    @property
    def load(self) -> float:
        """The share of the allowed requests that is in flight."""
        return self.in_flight / self._limit

    def send(self, now: float) -> Sending:
        """Count a request in; `end` counts it out."""
        self.in_flight += 1
        return Sending(now, self.in_flight)

    def end(self) -> None:
        """Count a request out."""
        self.in_flight -= 1

    def heard(self) -> None:
        """Learn that the server is there, from an answer that says nothing of its load."""
        self.down = False
        self._failures, self._cool_s, self._pause_s = 0, 0.0, 0.0

    def proved(self, now: float) -> None:
        """Learn from an answer that was not waited for in turn: the server works."""
        self.last_success = now
        self.heard()

    def succeeded(self, sending: Sending, now: float) -> None:
        """Learn from an answer: grow while the limit is what holds requests back."""
        self.proved(now)
        if sending.at < self._cut_at:
            return
        self._clean += 1
        if self._ceiling is not None and sending.level > self._ceiling:
            self._ceiling, self._hold, self._threshold = None, _FIRST_HOLD, math.inf
        if sending.level + 1 < int(self._limit):
            return
        if self._ceiling is None:
            gain = 1.0 if self._limit < self._threshold else 1.0 / self._limit
            self._limit = min(self._limit + gain, self.most)
        elif self._limit < self._ceiling:
            self._limit = min(self._limit + 1, self._ceiling)
        elif self._clean >= self._hold * self._ceiling:
            self._limit = float(min(self._ceiling + 1, self.most))

    def troubled(
        self, trouble: Trouble, sending: Sending, now: float, retry_after_s: float | None = None
    ) -> None:
        """Learn from a request that got no answer.

        Args:
            trouble: `unreachable` and `unavailable` say that the endpoint is away, `failed` that
                it broke (nothing, unless it goes on), `slow` that it took too long, `throttled`
                that it wants fewer requests.
            sending: The request.
            now: The time.
            retry_after_s: How long the server asks to be left alone.
        """
        same_episode = sending.at < self._cut_at
        if trouble == "throttled":
            self.down, self._failures = False, 0
            if not same_episode:
                self._refused(sending, now, pause=retry_after_s is None)
        elif not same_episode:
            self._failures += trouble != "slow"
            if trouble == "slow":
                self._cut(now)
                self._threshold = self._limit
            elif trouble == "unreachable" or self._failures >= _FAILURES_UNTIL_DOWN:
                self._go_down(trouble, now)
            elif self._failures > 1:
                self._cut(now)
        if retry_after_s is not None:
            self.opens_at = max(self.opens_at, now + retry_after_s)

    def _refused(self, sending: Sending, now: float, *, pause: bool) -> None:
        """Take the level below for the capacity, if it was so before; else for a first guess."""
        if self._ceiling is not None and 0 < sending.level - self._ceiling <= 2:
            self._hold = min(self._hold * 4, _LONGEST_HOLD)
            self._limit = float(self._ceiling)
            self._clean, self._cut_at = 0, now
        else:
            self._hold, self._ceiling = _FIRST_HOLD, max(sending.level - 1, 1)
            self._cut(now)
        if pause:
            self._pause_s = min(max(self._pause_s * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
            self.opens_at = max(self.opens_at, now + self._pause_s)

    def _go_down(self, trouble: Trouble, now: float) -> None:
        self.down = True
        self._cut(now)
        self._cool_s = min(max(self._cool_s * 2, _FIRST_COOL_S), _LONGEST_COOL_S[trouble])
        self.opens_at = max(self.opens_at, now + self._cool_s)

    def _cut(self, now: float) -> None:
        self._limit = max(self._limit / 2, 1.0)
        self._clean, self._cut_at = 0, now
