"""Rate and time left, from progress points."""

from __future__ import annotations

from collections import deque

_WINDOW_S = 30.0


class Meter:
    """The progress of one step; the rate is that of the last 30 seconds.

    Times are seconds on any one clock. A count that falls, or another unit, begins anew.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self.done = 0
        self.total: int | None = None
        self.unit = ""
        self._points: deque[tuple[float, int]] = deque()

    def add(self, now: float, done: int, total: int | None, unit: str) -> None:
        """Take a point."""
        if unit != self.unit or done < self.done:
            self._points.clear()
        self.done, self.total, self.unit = done, total, unit
        self._points.append((now, done))
        while len(self._points) > 2 and now - self._points[1][0] > _WINDOW_S:
            self._points.popleft()

    @property
    def rate(self) -> float | None:
        """Units a second; nothing while there are fewer than two points."""
        if len(self._points) < 2:
            return None
        (first_time, first_done), (last_time, last_done) = self._points[0], self._points[-1]
        if last_time <= first_time or last_done <= first_done:
            return None
        return (last_done - first_done) / (last_time - first_time)

    @property
    def seconds_left(self) -> float | None:
        """Time left at this rate; nothing while unknown."""
        rate = self.rate
        if rate is None or self.total is None:
            return None
        return max(0, self.total - self.done) / rate


def duration(seconds: float | None) -> str:
    """Give `0.4 s`, `12 s`, `3:04` or `1:02:03`; `–` for nothing."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def quantity(value: float) -> str:
    """Give a count or a rate in few characters: `0.42`, `3.1`, `118`, `12,400`."""
    if value < 1:
        return f"{value:.2f}"
    if value < 10 and value != int(value):
        return f"{value:.1f}"
    return f"{value:,.0f}"
