"""Who imports whom: no circles, and the room of DICOM knows no stage and none of its parameters."""

import ast
from functools import cache
from pathlib import Path

import pytest

import lacaf
from lacaf.stages import STAGES

SOURCE = Path(lacaf.__file__).parent
STAGE_PACKAGES = {f"lacaf.{stage.word}" for stage in STAGES}


def name_of(file):
    """The module's name; that of a package ends with ``__init__``."""
    return ".".join(["lacaf", *file.relative_to(SOURCE).with_suffix("").parts])


MODULES = {name_of(file): file for file in sorted(SOURCE.rglob("*.py"))}


@cache
def imports(module):
    """Our modules that a module imports, at its head, in functions, or for types alone.

    A package's ``__init__`` stands for what it hands on, and is not looked at.
    """
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return sorted(found & MODULES.keys())


def reached(module):
    """All modules that a module imports, through others too."""
    found, waiting = set(), list(imports(module))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += imports(one)
    return found


@pytest.mark.parametrize("module", [m for m in MODULES if not m.endswith("__init__")])
def test_no_module_imports_itself_through_others(module):
    assert module not in reached(module)


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("lacaf.dicom.")])
def test_the_room_knows_no_stage_and_no_parameters(module):
    packages = {".".join(name.split(".")[:2]) for name in reached(module)}
    assert not packages & (STAGE_PACKAGES | {"lacaf.params"})
