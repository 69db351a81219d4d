"""Plots as SVG text: small, in the page's own colours, readable on a phone and on paper.

Every function gives markup that is safe to put into the page: numbers, and escaped labels.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graftline_report.metrics import Interval

_WIDTH = 640
_HEIGHT = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 36
_MAX_POINTS = 400
_FLAT = 1e-9  # a range this small, relative to its ends, is drawn as one value


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Give round numbers that cover [low, high], about `count` of them (steps of 1, 2 or 5)."""
    if high - low <= _FLAT * max(1.0, abs(low), abs(high)):
        high = low + max(1.0, abs(low))
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((factor * power for factor in (1, 2, 5, 10) if factor * power >= raw), 10 * power)
    first = math.floor(low / step)
    last = math.ceil(high / step)
    return [number * step for number in range(first, last + 1)]


def thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep at most 400 points of a curve: the mean of each run of neighbours."""
    if len(points) <= _MAX_POINTS:
        return list(points)
    size = math.ceil(len(points) / _MAX_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]


def curve(
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]], x_label: str, y_label: str
) -> Markup:
    """Draw curves over one pair of axes; the legend names each series."""
    series = [(name, thin(points)) for name, points in series if points]
    if not series:
        return Markup("")
    x_ticks = ticks(
        min(x for _, points in series for x, _ in points),
        max(x for _, points in series for x, _ in points),
    )
    y_ticks = ticks(
        min(0.0, *(y for _, points in series for _, y in points)),
        max(y for _, points in series for _, y in points),
    )

    def at_x(value: float) -> float:
        share = (value - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def at_y(value: float) -> float:
        share = (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_open(_WIDTH, _HEIGHT, f"{y_label} over {x_label}")]
    for value in y_ticks:
        y = at_y(value)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(_text(_LEFT - 6, y + 4, f"{value:g}", "end"))
    for value in x_ticks:
        parts.append(_text(at_x(value), _HEIGHT - _BOTTOM + 18, f"{value:g}", "middle"))
    parts.append(_text((_LEFT + _WIDTH) / 2, _HEIGHT - 2, x_label, "middle"))
    parts.append(_text(_LEFT, _TOP - 2, y_label, "start"))
    for number, (name, points) in enumerate(series):
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in points)
        parts.append(f'<polyline class="curve c{number}" points="{path}"/>')
        if len(points) < 40:
            parts += [
                f'<circle class="dot c{number}" cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3"/>'
                for x, y in points
            ]
        right = _WIDTH - _RIGHT - 8
        parts.append(
            f'<text class="c{number} legend" x="{right}" y="{_TOP + 16 + 18 * number}"'
            f' text-anchor="end">{escape(name)}</text>'
        )
    return Markup("".join([*parts, "</svg>"]))


def intervals(
    rows: Sequence[tuple[str, str, Interval]],
    target: float | None,
    *,
    share: bool = True,
    per_cent: bool = True,
    mark: str = "target",
) -> Markup:
    """Draw figures with their intervals below each other, and a line to compare them with.

    Args:
        rows: (label, CSS class, figure).
        target: Where the line stands, if anywhere.
        share: Whether the scale is [0, 1]; else it begins and ends near the figures.
        per_cent: Whether the ends of a share's scale are told in per cent.
        mark: What the line is, its CSS class too.
    """
    width, row_height, left = 320, 18, 4
    ends = [v for _, _, found in rows for v in (found.low, found.high)]
    ends += [target] if target is not None else []
    marks = [0.0, 0.25, 0.5, 0.75, 1.0] if share else ticks(min(ends), max(ends))
    height = row_height * len(rows) + 4
    scale = (width - 2 * left) / (marks[-1] - marks[0])

    def at_x(value: float) -> float:
        return left + scale * (value - marks[0])

    parts = [_open(width, height + 14, "figures with 95 % intervals")]
    for value in marks:
        x = at_x(value)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}"/>')
    for number, (label, css, found) in enumerate(rows):
        y = row_height * (number + 0.5) + 2
        low, high, x = (at_x(value) for value in (found.low, found.high, found.value))
        parts.append(
            f'<g class="{escape(css)}"><title>{escape(label)}: {found.value:.3f}'
            f" [{found.low:.3f}, {found.high:.3f}]</title>"
            f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"/></g>'
        )
    if target is not None:
        x = at_x(target)
        parts.append(
            f'<line class="{escape(mark)}" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}">'
            f"<title>{escape(mark)} {target:g}</title></line>"
        )
    in_per_cent = share and per_cent
    first, last = (f"{100 * m:g} %" if in_per_cent else f"{m:g}" for m in (marks[0], marks[-1]))
    parts.append(_text(left, height + 12, first, "start"))
    parts.append(_text(width - left, height + 12, last, "end"))
    return Markup("".join([*parts, "</svg>"]))


def bars(rows: Sequence[tuple[str, float, str]]) -> Markup:
    """Draw horizontal bars as (label, value, what to write beside it)."""
    if not rows:
        return Markup("")
    top = max(value for _, value, _ in rows) or 1.0
    items = "".join(
        f'<div class="bar"><span class="name">{escape(label)}</span>'
        f'<span class="track"><span class="fill" style="width:{100 * value / top:.2f}%"></span>'
        f"</span>"
        f'<span class="value">{escape(text)}</span></div>'
        for label, value, text in rows
    )
    return Markup(f'<div class="bars">{items}</div>')


def histogram(counts: Sequence[Mapping[str, int]], x_label: str) -> Markup:
    """Draw a histogram of `{from, to, rows}`, `to` being exclusive."""
    if not counts:
        return Markup("")
    height = 160
    x_ticks = ticks(counts[0]["from"], counts[-1]["to"])
    top = max(item["rows"] for item in counts) or 1

    def at_x(value: float) -> float:
        share = (value - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    parts = [_open(_WIDTH, height, f"histogram of {x_label}")]
    floor = height - _BOTTOM
    for item in counts:
        low, high, rows = item["from"], item["to"], item["rows"]
        tall = (floor - _TOP) * rows / top
        parts.append(
            f'<rect class="fill" x="{at_x(low):.1f}" y="{floor - tall:.1f}"'
            f' width="{max(0.5, at_x(high) - at_x(low) - 1):.1f}" height="{tall:.1f}">'
            f"<title>{low} to {high - 1}: {rows:,} rows</title></rect>"
        )
    parts.append(_text(_LEFT - 6, _TOP + 8, f"{top:,}", "end"))
    parts.append(_text(_LEFT, _TOP - 2, "rows", "start"))
    for value in x_ticks:
        parts.append(_text(at_x(value), floor + 16, f"{value:g}", "middle"))
    parts.append(_text((_LEFT + _WIDTH) / 2, height - 2, x_label, "middle"))
    return Markup("".join([*parts, "</svg>"]))


def bands(counts: Sequence[Mapping[str, int]], threshold: float | None) -> Markup:
    """Draw how many rows have which score, as `{from, to, rows}`, and where a threshold stands.

    Bands that lie below the threshold are pale: their rows were left out.
    """
    if not counts:
        return Markup("")
    width, height, side, above = 420, 180, 8, 30
    floor = height - _BOTTOM
    first, last = counts[0]["from"], counts[-1]["to"]
    top = max(item["rows"] for item in counts) or 1
    scale = (width - 2 * side) / (last - first)

    def at_x(value: float) -> float:
        return side + scale * (value - first)

    parts = [_open(width, height, "rows by overall score")]
    for item in counts:
        low, high, rows = item["from"], item["to"], item["rows"]
        tall = (floor - above) * rows / top
        css = "fill left-out" if threshold is not None and high <= threshold else "fill"
        parts.append(
            f'<rect class="{css}" x="{at_x(low) + 1:.1f}" y="{floor - tall:.1f}"'
            f' width="{at_x(high) - at_x(low) - 2:.1f}" height="{tall:.1f}">'
            f"<title>{low} to {high}: {rows:,} rows</title></rect>"
        )
        if rows:
            parts.append(_text(at_x((low + high) / 2), floor - tall - 4, f"{rows:,}", "middle"))
    for value in range(first, last + 1):
        parts.append(_text(at_x(value), floor + 16, f"{value}", "middle"))
    parts.append(_text(width / 2, height - 2, "overall score, and how many rows have it", "middle"))
    if threshold is not None:
        x = at_x(threshold)
        anchor, gap = ("end", -5) if threshold > (first + last) / 2 else ("start", 5)
        parts.append(f'<line class="target" x1="{x:.1f}" x2="{x:.1f}" y1="2" y2="{floor}"/>')
        parts.append(_text(x + gap, 11, f"threshold {threshold:g}", anchor))
    return Markup("".join([*parts, "</svg>"]))


def _open(width: float, height: float, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}"'
        f' xmlns="http://www.w3.org/2000/svg">'
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
