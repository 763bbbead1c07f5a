"""For other software: export nnunet."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lacaf import files, layout
from lacaf.cli.entry import app, read_project

exports = typer.Typer(
    no_args_is_help=True, help="Write the cohort in the form that other software asks for."
)
app.add_typer(exports, name="export")


class GridChoice(StrEnum):
    """The grids that labels are harmonized on."""

    working = "working"
    original = "original"


@exports.command()
def nnunet(
    number: Annotated[
        int, typer.Option("--id", min=1, max=999, help="Number of the data set.")
    ] = 501,
    name: Annotated[str, typer.Option(help="Name of the data set.")] = "PulmonaryArteryVein",
    out: Annotated[Path, typer.Option(help="Folder that the data set's folder goes into.")] = (
        layout.DATA / "nnunet"
    ),
    grid: Annotated[
        GridChoice, typer.Option(help="The working grid of crop, or the CT's own.")
    ] = GridChoice.working,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a folder that this command did not make.")
    ] = False,
) -> None:
    """Write the harmonized cohort as a raw data set of nnU-Net v2.

    Train and val become imagesTr and labelsTr, test imagesTs and labelsTs. Voxels of which not
    every class is known get nnU-Net's label `ignore`. Refused cases are left out.
    """
    from lacaf.export import nnunet as work

    _, cases = read_project()
    target = work.place(out, number, name, force=force)
    with files.replacing(target) as folder:
        outcome = work.export(cases.values(), layout.DATA, folder, name, grid.value)
    counts = [f"{len(names)} {split}" for split, names in outcome.written.items()]
    print(
        f"{target}: {', '.join(counts)}; left out: {len(outcome.refused)} refused, "
        f"{len(outcome.unlabelled)} without a labelled voxel"
    )
    if (target / "splits_final.json").exists():
        print(
            f"nnUNetv2_plan_and_preprocess copies {target}/splits_final.json to "
            f"$nnUNet_preprocessed/{target.name}/ unless one lies there; copy it over an older one"
        )
    else:
        print("no case of split val: nnU-Net will make folds of its own, by case, not by patient")
