"""Charts: sound SVG, the right places, nothing where there is nothing."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lacaf.report.curves import Dots, Line, dot_chart, line_chart, standalone, ticks

SVG = "{http://www.w3.org/2000/svg}"


@given(st.floats(0, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_and_span_the_range(low, span):
    found = ticks(low, low + span)
    assert found[0] <= low + 1e-6 * span + 1e-9
    assert found[-1] >= low + span - 1e-6 * (low + span)
    assert 2 <= len(found) <= 9


def test_ticks_are_round():
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(0, 300) == [0, 100, 200, 300]


def test_line_chart_draws_higher_values_higher_up():
    lines = [Line("lacaf <s0>", [(0, 0.0), (10, 1.0)])]
    svg = ElementTree.fromstring(line_chart("Dice & loss", "step", lines))
    points = [p.split(",") for p in svg.find(f"{SVG}polyline").get("points").split()]
    (x0, y0), (x1, y1) = [(float(x), float(y)) for x, y in points]
    assert x1 > x0
    assert y1 < y0


def test_runs_differ_by_dash_as_well_as_colour():
    lines = [Line(name, [(0, 1), (1, 2)], style) for style, name in enumerate("ab")]
    drawn = ElementTree.fromstring(line_chart("t", "step", lines)).findall(f"{SVG}polyline")
    for attribute in ("stroke", "stroke-dasharray"):
        assert drawn[0].get(attribute) != drawn[1].get(attribute)


def test_dot_chart_shows_each_case_the_mean_and_the_interval():
    rows = [Dots("left artery", [0.2, 0.4, 0.9], 0.5, 0.3, 0.7), Dots("none", [], None, None, None)]
    svg = ElementTree.fromstring(dot_chart("DSC", rows, "DSC"))
    assert len(svg.findall(f"{SVG}circle")) == 3
    mean = [line for line in svg.findall(f"{SVG}line") if line.find(f"{SVG}title") is not None]
    assert [line.find(f"{SVG}title").text for line in mean] == ["mean 0.500"]


def test_without_values_there_is_no_chart():
    assert line_chart("t", "step", [Line("a")]) == ""
    assert dot_chart("t", [Dots("a", [], None, None, None)], "DSC") == ""


def test_chart_as_a_file_brings_its_own_colours():
    alone = standalone(line_chart("t", "step", [Line("a", [(0, 1), (1, 2)])]))
    assert ElementTree.fromstring(alone).find(f"{SVG}style") is not None


@pytest.mark.parametrize("values", [[(5, 0.0)], [(0, 0.0), (0, 0.0)]])
def test_a_single_or_constant_point_can_be_drawn(values):
    assert "polyline" in line_chart("t", "step", [Line("a", values)])
