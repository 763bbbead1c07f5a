"""The table of classes: what every reader of it takes for granted."""

import re

import pytest

from lacaf.classes import BY_NAME, CLASSES, TABLE, UNKNOWN, mirrored, values_of


def test_values_count_from_one_and_leave_room_for_the_unknown():
    assert [row.value for row in TABLE] == list(range(1, len(TABLE) + 1))
    assert len(TABLE) < UNKNOWN
    assert len(set(CLASSES)) == len(TABLE)


@pytest.mark.parametrize("row", TABLE, ids=CLASSES)
def test_a_mirror_partner_is_the_same_vessel_of_the_other_side(row):
    partner = BY_NAME[row.mirror]
    assert partner.mirror == row.name
    assert partner.vessel == row.vessel
    assert {row.side, partner.side} in ({"left", "right"}, {""})


def test_the_mirror_of_the_mirror_is_the_class_itself():
    there = mirrored()
    assert [there[place] for place in there] == list(range(len(TABLE)))


@pytest.mark.parametrize("row", TABLE, ids=CLASSES)
def test_a_class_has_a_colour_in_each_palette_that_no_other_class_has(row):
    assert set(row.colours) == {"safe", "paper"}
    for name, colour in row.colours.items():
        assert re.fullmatch("#[0-9a-f]{6}", colour)
        assert [other.colours[name] for other in TABLE].count(colour) == 1


def test_values_are_found_by_vessel_and_by_side():
    assert values_of(vessel="artery") == (1, 3)
    assert values_of(side="left") == (1, 2)
    assert values_of(vessel="vein", side="right") == (4,)
    assert values_of() == tuple(row.value for row in TABLE)
