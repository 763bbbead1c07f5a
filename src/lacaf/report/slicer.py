"""A case's files for 3D Slicer: a colour table, links, and lines for its Python console."""

from __future__ import annotations

from pathlib import Path

from lacaf.classes import TABLE, UNKNOWN
from lacaf.report.casevolumes import shown_runs
from lacaf.report.findings import Findings
from lacaf.report.palette import Palette, rgb

COLOUR_TABLE = "lacaf.ctbl"


def colour_table(palette: Palette) -> str:
    """A colour table in 3D Slicer's format: value, name, red, green, blue, opacity."""
    lines = ["# Color table file", f"# {len(TABLE) + 2} values", "0 background 0 0 0 0"]
    for row in TABLE:
        red, green, blue = (round(255 * part) for part in rgb(palette.classes[row.name]))
        lines.append(f"{row.value} {row.name} {red} {green} {blue} 255")
    lines.append(f"{UNKNOWN} unknown 154 164 178 60")
    return "\n".join(lines) + "\n"


def files(findings: Findings, case: str) -> list[tuple[str, Path]]:
    """Name and path (from the project's folder) of each volume of a case that is there."""
    data = findings.data
    named = [
        ("CT", data / "convert" / case / "image.nii.gz"),
        ("labels", data / "harmonize" / case / "labels.nii.gz"),
        ("lungs", data / "crop" / case / "lungs.nii.gz"),
    ]
    truth = findings.truth(case)
    if truth is not None:
        named.append(("hidden truth", truth))
    for run in shown_runs(findings, case):
        path = findings.prediction(run, case)
        if path is not None:
            named.append((run, path))
    return [(name, path) for name, path in named if path.exists()]


def console(named: list[tuple[str, Path]]) -> str:
    """Lines for Slicer's Python console that load a case with its colours."""
    lines = [
        'root = "/path/to/the/project/"',
        f'colours = slicer.util.loadColorTable(root + "reports/{COLOUR_TABLE}")',
    ]
    for name, path in named:
        if name == "CT":
            lines.append(f'slicer.util.loadVolume(root + "{path.as_posix()}")')
        elif name != "lungs":
            lines.append(
                f'slicer.util.loadSegmentation(root + "{path.as_posix()}", '
                f'{{"name": "{name}", "colorNodeID": colours.GetID()}})'
            )
    return "\n".join(lines)
