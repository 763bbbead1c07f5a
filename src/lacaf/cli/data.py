"""From the scanner to labelled volumes: phantom, convert, crop, harmonize."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lacaf import cases as case_table
from lacaf import files, layout
from lacaf.cli.entry import CaseName, app, carry_out, coding_of, read_case, redacted
from lacaf.fault import Refusal
from lacaf.params import whole as parameters


@app.command()
def phantom(
    case: Annotated[str | None, typer.Argument(help="Case to make, e.g. phantom001.")] = None,
    table: Annotated[int, typer.Option(help="Print a fresh case table of so many cases.")] = 0,
) -> None:
    """Make a synthetic case: DICOM and labels as a hospital hands them over, truth apart."""
    if table:
        from lacaf.phantom.cohort import table as fresh_table

        try:
            print(fresh_table(table), end="")
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        return
    if case is None:
        raise typer.BadParameter("name a case, or ask for a --table")
    params, row = read_case(case)
    if not layout.is_phantom(row):
        raise case_table.CasesError(
            f"case {case} is no phantom: its name is phantom and a number, its source below "
            f"{layout.RAW}/<case>/"
        )
    layout.check_raw([row])

    def work(truth: Path) -> dict[str, Any]:
        from lacaf.phantom.stage import phantom as stage

        with files.replacing(layout.RAW / case) as raw:
            return stage(row, params.phantom, coding_of(params, row), raw, truth)

    carry_out("phantom", params, row, work)


@app.command()
def convert(case: CaseName) -> None:
    """Bring a case's CT and labels to NIfTI in HU with true geometry."""
    params, row = read_case(case)
    with redacted():
        _convert(params, row)


def _convert(params: parameters.Params, row: case_table.Case) -> None:
    files = {"the source": row.source, "the label file": row.labels}
    absent = [role for role, file in files.items() if file and not file.exists()]

    def work(folder: Path) -> dict[str, Any]:
        if absent:
            raise Refusal(
                f"{' and '.join(absent)} not found",
                expectation="the files that data/cases.csv names",
                remedy="correct the table or fetch the data",
            )
        from lacaf.convert import convert as stage

        return stage(row, params.convert, coding_of(params, row), folder)

    carry_out("convert", params, row, work, nothing_there=bool(absent))


@app.command()
def crop(case: CaseName) -> None:
    """Find the lungs, left and right, and bring the CT to the working grid."""
    params, row = read_case(case)
    source = layout.folder("convert", case)

    def work(folder: Path) -> dict[str, Any]:
        from lacaf.crop import crop as stage

        masks = layout.lung_masks(row)
        return stage(params.crop, coding_of(params, row), source, folder, masks)

    carry_out("crop", params, row, work)


@app.command()
def harmonize(case: CaseName) -> None:
    """Bring labels of any coding to the canonical classes, and say what is known of each."""
    params, row = read_case(case)
    converted, cropped = layout.folder("convert", case), layout.folder("crop", case)

    def work(folder: Path) -> dict[str, Any]:
        from lacaf.harmonize import harmonize as stage

        coding = coding_of(params, row)
        return stage(row, params.harmonize, coding, converted, cropped, folder)

    carry_out("harmonize", params, row, work)


@app.command()
def prepare(case: CaseName) -> None:
    """Lay out a case for training, which reads it patch by patch."""
    params, row = read_case(case)
    cropped, harmonized = layout.folder("crop", case), layout.folder("harmonize", case)

    def work(folder: Path) -> dict[str, Any]:
        from lacaf.prepare import prepare as stage

        truth = layout.inputs("prepare", row).get("truth")
        read = {"records": layout.read_records("prepare", case)}
        return stage(cropped, harmonized, folder, truth) | read

    carry_out("prepare", params, row, work)
