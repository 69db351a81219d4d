import xml.dom.minidom

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline_report.charts import bands, bars, curve, histogram, intervals, thin, ticks
from graftline_report.lineage import draw, layers
from graftline_report.metrics import Interval
from graftline_report.spelling import spell_bytes, spell_figure, spell_seconds

numbers = st.floats(-1e6, 1e6)


@given(numbers, numbers)
def test_ticks_cover_what_is_drawn_and_are_few(one, other):
    low, high = min(one, other), max(one, other)
    found = ticks(low, high)
    assert found[0] <= low + 1e-6 * (1 + abs(low))
    assert found[-1] >= high - 1e-6 * (1 + abs(high))
    assert 2 <= len(found) <= 8
    assert found == sorted(set(found))


@given(st.lists(st.tuples(numbers, numbers), max_size=3000))
def test_thinning_keeps_few_points_within_the_range(points):
    thinned = thin(points)
    assert len(thinned) <= 400
    if points:
        assert min(y for _, y in points) - 1 <= min(y for _, y in thinned)


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 10)), min_size=1, max_size=50), st.text())
def test_a_curve_is_well_formed_whatever_its_name(points, name):
    name = "".join(c for c in name if c.isprintable())
    xml.dom.minidom.parseString(str(curve([(name, points)], "step", "loss")))


def test_the_other_plots_are_well_formed():
    found = Interval(0.5, 0.4, 0.6)
    xml.dom.minidom.parseString(str(intervals([("a<b", "base0", found)], 0.9)))
    xml.dom.minidom.parseString(str(bars([("a<b", 1.0, "1 & 2")])))
    xml.dom.minidom.parseString(str(histogram([{"from": 0, "to": 8, "rows": 3}], "tokens")))
    assert str(curve([("x", [])], "a", "b")) == ""


def texts(drawn):
    page = xml.dom.minidom.parseString(str(drawn)).documentElement
    return [item.firstChild.data for item in page.getElementsByTagName("text")]


def test_every_axis_says_what_it_is():
    found = [("a", "adapted", Interval(0.5, 0.4, 0.6))]
    assert texts(intervals(found, None)) == ["0 %", "100 %"]
    assert texts(intervals(found, 0.5, per_cent=False, mark="chance")) == ["0", "1"]
    assert texts(intervals([("a", "adapted", Interval(12, 9, 14))], None, share=False)) == [
        "9",
        "14",
    ]
    drawn = texts(curve([("training loss", [(1, 2.0), (2, 1.0)])], "optimiser step", "loss"))
    assert {"optimiser step", "loss", "training loss"} <= set(drawn)
    drawn = texts(histogram([{"from": 0, "to": 8, "rows": 3}], "tokens per example"))
    assert {"rows", "tokens per example", "3"} <= set(drawn)
    (label,) = (
        text for text in texts(bands([{"from": 0, "to": 1, "rows": 3}], 0.5)) if "score" in text
    )
    assert "rows" in label


@given(st.lists(numbers, min_size=3, max_size=3), numbers)
def test_figures_that_are_no_shares_stay_inside_their_plot(values, target):
    low, middle, high = sorted(values)
    drawn = intervals([("p", "adapted", Interval(middle, low, high))], target, share=False)
    page = xml.dom.minidom.parseString(str(drawn)).documentElement
    width = float(page.getAttribute("viewBox").split()[2])
    (dot,) = page.getElementsByTagName("circle")
    places = [float(dot.getAttribute("cx"))]
    for line in page.getElementsByTagName("line"):
        places += [float(line.getAttribute("x1")), float(line.getAttribute("x2"))]
    assert all(0 <= place <= width for place in places)


@given(st.lists(st.integers(0, 10**6), min_size=10, max_size=10), st.floats(0, 10))
def test_bands_are_pale_exactly_below_the_threshold(rows, threshold):
    counts = [{"from": n, "to": n + 1, "rows": found} for n, found in enumerate(rows)]
    page = xml.dom.minidom.parseString(str(bands(counts, threshold))).documentElement
    pale = ["left-out" in box.getAttribute("class") for box in page.getElementsByTagName("rect")]
    assert pale == [n + 1 <= threshold for n in range(10)]
    tall = [float(box.getAttribute("height")) for box in page.getElementsByTagName("rect")]
    assert tall[rows.index(max(rows))] == max(tall)
    assert str(bands([], threshold)) == ""


def test_every_step_stands_right_of_what_it_was_made_from():
    class Step:
        def __init__(self, step, *parents):
            self.step, self.parents, self.key, self.stage = step, parents, "k" * 64, step

    steps = [
        Step("model"),
        Step("generate"),
        Step("format", "model", "generate"),
        Step("adapter", "format", "model"),
    ]
    found = layers(steps)
    assert found == {"model": 0, "generate": 0, "format": 1, "adapter": 2}
    xml.dom.minidom.parseString(str(draw(steps)))


@pytest.mark.parametrize(
    ("spelled", "wanted"),
    [
        (spell_seconds(None), "unknown"),
        (spell_seconds(0.42), "0.4 s"),
        (spell_seconds(200), "3 min 20 s"),
        (spell_seconds(7500), "2 h 5 min"),
        (spell_bytes(None), "unknown"),
        (spell_bytes(3 << 20), "3 MiB"),
        (spell_figure(1234567.0), "1,234,567"),
        (spell_figure(0.123456), "0.1235"),
    ],
)
def test_figures_are_spelled_for_people(spelled, wanted):
    assert spelled == wanted
