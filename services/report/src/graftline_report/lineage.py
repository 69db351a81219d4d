"""Which step was made from which, as SVG: layers from left to right."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline_report.steps import StepFacts

_BOX_WIDTH, _BOX_HEIGHT = 132, 42
_GAP_X, _GAP_Y = 46, 18


def layers(steps: Sequence[StepFacts]) -> dict[str, int]:
    """Give each step's layer: one more than the deepest of those that it was made from."""
    known = {step.step for step in steps}
    found: dict[str, int] = {}
    for step in steps:
        parents = [found[name] for name in step.parents if name in known and name in found]
        found[step.step] = 1 + max(parents, default=-1)
    return found


def draw(steps: Sequence[StepFacts]) -> Markup:
    """Draw the steps, given so that what was read comes before what read it."""
    if not steps:
        return Markup("")
    layer_of = layers(steps)
    rows: dict[int, int] = {}
    corner: dict[str, tuple[float, float]] = {}
    for step in steps:
        layer = layer_of[step.step]
        row = rows.get(layer, 0)
        rows[layer] = row + 1
        x = 2 + layer * (_BOX_WIDTH + _GAP_X)
        corner[step.step] = (x, 2 + row * (_BOX_HEIGHT + _GAP_Y))
    width = 4 + max(x for x, _ in corner.values()) + _BOX_WIDTH
    height = 4 + max(y for _, y in corner.values()) + _BOX_HEIGHT
    edges = "".join(
        _edge(corner[parent], corner[step.step])
        for step in steps
        for parent in step.parents
        if parent in corner
    )
    boxes = "".join(_box(step, *corner[step.step]) for step in steps)
    return Markup(
        f'<svg class="lineage" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
        f' height="{height:.0f}" role="img" aria-label="lineage"'
        f' xmlns="http://www.w3.org/2000/svg">{edges}{boxes}</svg>'
    )


def _edge(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1 = start[0] + _BOX_WIDTH, start[1] + _BOX_HEIGHT / 2
    x2, y2 = end[0], end[1] + _BOX_HEIGHT / 2
    middle = (x1 + x2) / 2
    return (
        f'<path class="edge" d="M{x1:.0f} {y1:.0f} C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f}'
        f' {x2:.0f} {y2:.0f}"/>'
    )


def _box(step: StepFacts, x: float, y: float) -> str:
    return (
        f'<g><rect class="box" x="{x:.0f}" y="{y:.0f}" width="{_BOX_WIDTH}"'
        f' height="{_BOX_HEIGHT}" rx="6"/>'
        f'<text class="step" x="{x + 10:.0f}" y="{y + 18:.0f}">{escape(step.step)}</text>'
        f'<text class="key" x="{x + 10:.0f}" y="{y + 34:.0f}">{escape(step.key[:12])}</text>'
        f"<title>{escape(step.step)} ({escape(step.stage)}) {escape(step.key)}</title></g>"
    )
