"""Where each stage's work on a case lies, and what it is made from.

Known once, for the commands, for :func:`lacaf.refresh` and for the digests in the records.
All paths are relative to the working directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lacaf import records
from lacaf.cases import Case, CasesError
from lacaf.params import Params

DATA = Path("data")
RAW = DATA / "raw"
TRUTH = DATA / "truth"
REPORTS = Path("reports")

#: The stages that work case by case before training, in order.
CASE_STAGES = ("phantom", "convert", "crop", "harmonize")

#: The columns of the case table that decide what a stage makes.
ROW = {
    "phantom": ("patient", "source", "labels", "coding", "labelled_side"),
    "convert": ("source", "labels", "coding", "series"),
    "crop": (),
    "harmonize": ("labels", "coding", "labelled_side"),
}


def is_phantom(case: Case) -> bool:
    """Whether the case is a synthetic one, made by ``lacaf phantom``."""
    return bool(re.fullmatch(r"phantom\d+", case.case)) and RAW / case.case in case.source.parents


def check_raw(cases: Iterable[Case]) -> None:
    """Check that what stage phantom would replace is its own.

    Raises:
        CasesError: the raw folder of a phantom holds files, but no record says who made them:
            they may be somebody's only copy.
    """
    foreign = [
        f"case {case.case}: {RAW / case.case} holds files that lacaf phantom has no record of "
        f"({record('phantom', case.case)}); give your own data another name than phantom and a "
        "number, or remove the folder"
        for case in cases
        if is_phantom(case)
        and not record("phantom", case.case).exists()
        and any(p.name != ".snakemake_timestamp" for p in (RAW / case.case).glob("*"))
    ]
    if foreign:
        raise CasesError("\n".join(foreign))


def folder(stage: str, case: str) -> Path:
    """The folder that holds a stage's record of a case."""
    return (TRUTH if stage == "phantom" else DATA / stage) / case


def record(stage: str, case: str) -> Path:
    """The file that holds a stage's record of a case."""
    return folder(stage, case) / records.RECORD[stage]


def model(run: str, params: Params) -> Path:
    """The folder of a run's model: trained here, or elsewhere and named in ``infer.models``."""
    return Path(params.infer.models.get(run, DATA / "train" / run))


def inputs(stage: str, case: Case) -> dict[str, Path]:
    """The files and folders that a stage reads for a case, by role."""
    if stage == "phantom":
        return {}
    if stage == "convert":
        if is_phantom(case):
            return {"raw": RAW / case.case}
        return {"source": case.source} | ({"labels": case.labels} if case.labels else {})
    if stage == "crop":
        masks = {f"lungs{n or ''}": path for n, path in enumerate(lung_masks(case))}
        return {"convert": folder("convert", case.case), **masks}
    return {s: folder(s, case.case) for s in ("convert", "crop")}


def lung_masks(case: Case) -> list[Path]:
    """Lung masks that came with a case: ``<case>_lungs.*``, else ``lungs.*``, beside its source.

    Several are returned as they are; stage crop refuses to choose.
    """
    ends = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
    for name in (f"{case.case}_lungs", "lungs"):
        paths = [case.source.parent / f"{name}{end}" for end in ends]
        if found := [path for path in paths if path.is_file()]:
            return found
    return []


def row(stage: str, case: Case) -> dict[str, str]:
    """The part of the case's row that a stage depends on; a digest of what names a series.

    Snakemake keeps and shows what it is given here, and a SeriesInstanceUID leads to a patient.
    """
    value = {column: str(getattr(case, column)) for column in ROW[stage]}
    if value.get("series"):
        value["series"] = records.digest(value["series"])
    return value


def section(stage: str, case: Case, params: Params) -> dict[str, Any]:
    """The parameters that a stage's work on a case depends on.

    Beside the stage's own section that is what a coding of the user's means, for the stages that
    write or sort label files by it (a shipped one counts as code): with its patterns exchanged,
    the files that convert wrote would hold arteries under the name of veins.
    """
    chosen = getattr(params, stage).model_dump(mode="json")
    if stage in ("phantom", "convert") and case.coding in params.harmonize.codings:
        chosen["coding"] = params.harmonize.codings[case.coding].model_dump(mode="json")
    return chosen


def made_from(stage: str, case: Case, params: Params) -> dict[str, Any]:
    """Digests of all that a stage's work on a case depends on, as they are now."""
    chosen = section(stage, case, params)
    return records.made_from(stage, chosen, inputs(stage, case), row(stage, case))
