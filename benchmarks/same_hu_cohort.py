"""The cohort of ``artery_vein.py``: cases in which arteries and veins have the same HU."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lacaf import files, volume
from lacaf.cases import Case, CasesError, leakage
from lacaf.classes import CLASSES
from lacaf.params.phantom import Phantom
from lacaf.phantom import appearance
from lacaf.phantom.render import render
from lacaf.prepare import prepare

MARGIN_MM = 6.0


def case_table(names: Sequence[str], val: int, test: int, work: Path) -> dict[str, Case]:
    """The case table: first the cases to score, then those of the validation, then the others.

    Each case is a patient and a source of its own.

    Raises:
        CasesError: something stands in two splits; nothing was rendered for it yet.
    """
    splits = ["test"] * test + ["val"] * val + ["train"] * (len(names) - val - test)
    cases = {}
    for name, split in zip(names, splits, strict=True):
        source = work / "truth" / name
        labels = source / "labels.nii.gz"
        cases[name] = Case(name, name, source, labels, "four_classes", "both", split)
    if faults := leakage(cases):
        raise CasesError("\n".join(faults))
    return cases


def names_with_same_hu(phantom: Phantom, wanted: int) -> list[str]:
    """The first names whose draw gives artery and vein one HU, found without rendering."""
    found: list[str] = []
    number = 0
    while len(found) < wanted:
        number += 1
        case = f"phantom{number:03d}"
        root = np.random.SeedSequence([phantom.seed, zlib.crc32(case.encode())])
        look = appearance.contrast(phantom.kind, np.random.default_rng(root.spawn(5)[3]))
        if look.artery_hu == look.vein_hu:
            found.append(case)
    return found


def lay_out(case: str, phantom: Phantom, work: Path, spacing_mm: float) -> None:
    """Render a case, lay it out as convert, crop and harmonize would, with true lungs; prepare."""
    if (work / "prepare" / case / "prepare.json").exists():
        return
    rendered = render(case, phantom)
    if not rendered.facts["same_hu"]:
        raise RuntimeError(f"{case} has two HU: the generator's draws have changed order")
    inside = np.argwhere(rendered.lungs.array > 0)
    corners = rendered.lungs.grid.to_mm(np.array([inside.min(0), inside.max(0)]))
    grid = volume.upright_grid_around(corners, spacing_mm, MARGIN_MM)
    for stage in ("truth", "crop", "harmonize"):
        (work / stage / case).mkdir(parents=True, exist_ok=True)
    image = volume.resample(rendered.image, grid, fill=-1000.0)
    volume.write(
        volume.Volume(np.rint(image.array).astype(np.int16), grid),
        work / "crop" / case / "image.nii.gz",
    )
    for source, path in (
        (rendered.lungs, work / "crop" / case / "lungs.nii.gz"),
        (rendered.labels, work / "harmonize" / case / "labels_working.nii.gz"),
    ):
        volume.write(volume.resample(source, grid, "nearest"), path)
    volume.write(rendered.labels, work / "truth" / case / "labels.nii.gz")
    volume.write(rendered.lungs, work / "truth" / case / "lungs.nii.gz")
    files.write_json(work / "truth" / case / "facts.json", rendered.facts)
    states = dict.fromkeys(CLASSES, "labelled")
    content = {"case": case, "status": "ok", "coverage": states}
    files.write_json(work / "harmonize" / case / "coverage.json", content)
    folder = work / "prepare" / case
    folder.mkdir(parents=True, exist_ok=True)
    details = prepare(work / "crop" / case, work / "harmonize" / case, folder)
    files.write_json(folder / "prepare.json", {"status": "ok", **details})
