"""Charts: sound SVG, the right places, nothing where there is nothing."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lacaf.report.charts import band_chart, bar_chart, in_one
from lacaf.report.curves import Dots, Line, dot_chart, line_chart, ticks

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


def test_charts_in_one_file_stand_beside_each_other_with_colours_of_their_own():
    one = line_chart("t", "step", [Line("a", [(0, 1), (1, 2)])])
    svg = ElementTree.fromstring(in_one("all", [one, one, one], "nothing"))
    assert svg.find(f"{SVG}style") is not None
    places = {(part.get("x"), part.get("y")) for part in svg.findall(f"{SVG}svg")}
    assert places == {("0", "0"), ("420", "0"), ("0", "250")}
    assert "nothing" in in_one("all", [], "nothing")


def test_band_chart_draws_each_run_with_its_intervals():
    series = {
        "a": [(0.2, 0.1, 0.3), (0.8, None, None)],
        "b": [(None, None, None), (0.5, 0.4, 0.6)],
    }
    styles = {"a": 0, "b": 1}
    svg = ElementTree.fromstring(band_chart("found", ["0-1", "1+"], series, "mm", styles))
    assert len(svg.findall(f"{SVG}circle")) == 3
    assert len([line for line in svg.findall(f"{SVG}line") if line.get("stroke")]) == 2
    ys = [float(c.get("cy")) for c in svg.findall(f"{SVG}circle")]
    assert ys[1] < ys[2] < ys[0]  # 0.8 above 0.5 above 0.2
    assert band_chart("found", ["0-1"], {"a": [(None, None, None)]}, "mm", styles) == ""


def test_bars_are_as_long_as_their_values():
    svg = ElementTree.fromstring(bar_chart("t", [("a", 1.0, "1"), ("b", 4.0, "4")], "min"))
    short, long = (float(bar.get("width")) for bar in svg.findall(f"{SVG}rect"))
    assert long == pytest.approx(4 * short)
    assert bar_chart("t", [], "min") == ""


@pytest.mark.parametrize("values", [[(5, 0.0)], [(0, 0.0), (0, 0.0)]])
def test_a_single_or_constant_point_can_be_drawn(values):
    assert "polyline" in line_chart("t", "step", [Line("a", values)])
