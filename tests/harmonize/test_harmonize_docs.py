"""docs/harmonize.md says what the code does."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from lacaf.coding import builtin

PAGE = (Path(__file__).parents[2] / "docs" / "harmonize.md").read_text()
MODULES = ("central", "chest", "evidence", "exchange", "placement", "sampling", "sides")


@pytest.mark.parametrize("name", list(builtin()))
def test_each_shipped_coding_stands_in_the_table(name):
    coding = builtin()[name]
    source = f"{coding.source}; {coding.licence}" if coding.source else "–"
    row = f"| `{name}` | {coding.about} | {source} | {coding.traps or '–'} |"
    assert row in PAGE.splitlines()


@pytest.mark.parametrize(
    ("name", "told"), re.findall(r"^\| `(\w+\.[A-Z_]+)` \| (.+?) \|", PAGE, re.MULTILINE)
)
def test_each_threshold_is_what_the_code_has(name, told):
    module, constant = name.split(".")
    value = getattr(import_module(f"lacaf.harmonize.{module}"), constant)
    values = value if isinstance(value, tuple) else (value,)
    assert told == " and ".join(f"{v:g}" for v in values)


def test_every_threshold_of_a_check_is_told():
    for module in MODULES:
        content = vars(import_module(f"lacaf.harmonize.{module}"))
        for constant, value in content.items():
            if constant.endswith(
                ("_FRACTION", "_HU", "_GAIN", "_REFUSED", "_FLAGGED", "_REACH_MM")
            ):
                known = f"`{module}.{constant}`" in PAGE
                assert known or isinstance(value, str), f"{module}.{constant}"


def test_every_number_of_the_checks_is_explained(desk):
    from patient import patient

    one = patient()
    desk.lay_patient(one, one.codes)
    for name in desk.harmonize().checks:
        assert f"`{name}`" in PAGE
