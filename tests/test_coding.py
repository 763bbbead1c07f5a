"""Codings are declared, never guessed."""

import pytest
from pydantic import ValidationError

from lacaf.coding import Coding, builtin


def test_the_shipped_codings_say_what_the_public_data_sets_mean():
    shipped = builtin()
    assert shipped["artery1_vein2"].values == {1: "artery", 2: "vein"}
    assert shipped["vein1_artery2"].values == {1: "vein", 2: "artery"}
    assert shipped["four_classes"].values == {
        1: "left_artery",
        2: "left_vein",
        3: "right_artery",
        4: "right_vein",
    }
    assert shipped["artery_only"].values == {1: "artery"}
    assert shipped["file_per_vessel"].files == {"artery*": "artery", "vein*": "vein"}
    assert all(coding.about for coding in shipped.values())


def test_a_coding_without_sides_can_express_both_sides():
    coding = Coding(values={1: "artery"})
    assert coding.classes("left") == {"left_artery"}
    assert coding.classes("right") == {"right_artery"}


def test_a_coding_with_sides_expresses_those_alone():
    coding = Coding(values={7: "left_artery", 9: "left_vein", 3: "other"})
    assert coding.classes("left") == {"left_artery", "left_vein"}
    assert coding.classes("right") == set()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"values": {1: "artery"}, "files": {"a*": "artery"}},
        {"values": {}},
        {"values": {1: "aorta"}},
        {"values": {"one": "artery"}},
        {"values": {1: "artery"}, "value": {}},
    ],
)
def test_a_coding_that_is_not_clear_is_refused(content):
    with pytest.raises(ValidationError):
        Coding(**content)


def test_zero_is_always_background():
    with pytest.raises(ValidationError, match="0 is always background"):
        Coding(values={0: "artery", 1: "vein"})
