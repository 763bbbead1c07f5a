"""What a hospital may hand over as a CT."""

from pathlib import Path
from typing import Any

from odd.kind import CASE, Kind, carried_out, settings

from lacaf.cases import Case


def convert(source: Path, folder: Path) -> dict[str, Any]:
    """The record of stage convert for a source."""
    from lacaf.convert import convert as stage

    case = Case(CASE, "patient1", source, None, None, "", "predict")
    return carried_out("convert", folder, lambda out: stage(case, settings(), out))


def empty_folder(folder: Path) -> dict[str, Any]:
    (folder / "source").mkdir()
    return convert(folder / "source", folder)


KINDS = [
    Kind("empty-folder", "convert", "an empty folder", "refused", ("no files",), empty_folder),
]
