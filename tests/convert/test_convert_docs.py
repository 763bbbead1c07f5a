"""The numbers in docs/convert.md are those of the code."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from lacaf.params.convert import Convert

PAGE = (Path(__file__).parents[2] / "docs" / "convert.md").read_text()
TOLERANCES = re.findall(r"^\| `([\w.]+)\.([A-Z_]+)` \| (\S+) \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("room", "name", "value"), TOLERANCES)
def test_a_tolerance_has_the_value_that_the_page_says(room, name, value):
    assert getattr(import_module(f"lacaf.{room}"), name) == float(value)


def test_there_are_such_tolerances_and_every_parameter_is_explained():
    assert len(TOLERANCES) > 10
    assert not [key for key in Convert.model_fields if f"| `{key}` |" not in PAGE]
