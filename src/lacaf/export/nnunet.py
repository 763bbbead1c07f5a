"""A harmonized cohort as a raw data set of nnU-Net v2.

nnU-Net (Isensee et al., Nature Methods 18, 2021) knows one label a voxel; its highest one, named
``ignore``, counts neither for the loss nor for the scores.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.cases import Case
from lacaf.classes import TABLE, UNKNOWN
from lacaf.coverage import Coverage, targets_and_validity
from lacaf.fault import Fault, Missing
from lacaf.files import read_json, write_json, write_text
from lacaf.grid import Grid
from lacaf.volume import Volume

GridName = Literal["working", "original"]

#: Where nnU-Net looks for the cases of a split; cases to predict are none of a data set.
PART = {"train": "Tr", "val": "Tr", "test": "Ts"}
#: nnU-Net's label for voxels of which not all is known: it must be the highest.
IGNORE = max(row.value for row in TABLE) + 1
LABELS = {"background": 0, **{row.name: row.value for row in TABLE}, "ignore": IGNORE}
ENDING = ".nii.gz"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
#: By this in its ``dataset.json`` a folder is known as one that may be written anew.
MADE_BY = "lacaf export nnunet"
ENTRIES = {"imagesTr", "labelsTr", "imagesTs", "labelsTs", "dataset.json", "splits_final.json"}


class ExportError(Fault):
    """The data set cannot be written as asked; the message says why and what to do."""


@dataclass
class Outcome:
    """How an export ended: names of cases.

    Attributes:
        written: names by split: train, val, test.
        refused: left out, since a stage refused them.
        unlabelled: left out, since no voxel of theirs has a class.
        ignored: fraction of each written case's voxels that got the label ``ignore``.
    """

    written: dict[str, list[str]] = field(default_factory=lambda: {split: [] for split in PART})
    refused: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    ignored: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """The files of one case, and what is known of each class."""

    case: str
    split: str
    image: Path
    labels: Path
    lungs: Path
    coverage: Coverage


def place(out: Path, number: int, name: str, *, force: bool = False) -> Path:
    """The data set's folder below ``out``, once it is sure that nothing is lost by writing there.

    Raises:
        ExportError: nnU-Net takes no such name; the number belongs to another data set; or the
            folder is there, was not made by this command and ``force`` is not set.
    """
    if not NAME.fullmatch(name):
        raise ExportError(f"{name!r} is no name of a data set: use letters, digits, - and _")
    folder = out / f"Dataset{number:03d}_{name}"
    others = sorted(p.name for p in out.glob(f"Dataset{number:03d}*") if p.name != folder.name)
    if others:
        raise ExportError(
            f"{out} holds {others[0]}, and nnU-Net wants one data set a number; "
            "choose another with --id, or move that one away"
        )
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ExportError(f"{folder} is no folder; move it away, or choose another --out")
    if folder.exists() and not force and not _own(folder):
        raise ExportError(
            f"{folder} is there and holds what `{MADE_BY}` did not write; move it away, choose "
            "another --id, --name or --out, or replace all that it holds with --force"
        )
    return folder


def _own(folder: Path) -> bool:
    """Whether a folder is empty, or an earlier export with nothing else in it."""
    found = {path.name for path in folder.iterdir()}
    if not found:
        return True
    try:
        about = json.loads((folder / "dataset.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(about, dict) and about.get("converted_by") == MADE_BY and found <= ENTRIES


def export(
    cases: Iterable[Case],
    data: Path,
    folder: Path,
    name: str,
    grid: GridName = "working",
    tell: Callable[[str], None] = print,
) -> Outcome:
    """Write the cases of the splits train, val and test as a raw data set.

    Writes into ``folder``:

    - ``imagesTr``, ``labelsTr``: train and val; ``imagesTs``, ``labelsTs``: test. Images as they
      are, HU; labels uint8, see :func:`one_label`. Image and labels of a case have one header but
      for the type of their voxels;
    - ``dataset.json``;
    - ``splits_final.json``: one fold, train against val; not without cases of both.

    Args:
        cases: rows of the case table.
        data: the folder that holds the stages' folders; harmonize must have run.
        folder: empty; the caller gives it its name once all is written.
        name: the data set's name, without its number.
        grid: ``working``, the grid that crop made, or ``original``, the CT's own.
        tell: gets a line for each case.

    Raises:
        Missing: a stage has not run for a case; before anything is written.
        ExportError: no case of split train can be written, or a case's files do not belong
            together.
    """
    outcome = Outcome()
    for source in _sources(cases, data, grid, outcome, tell):
        ignored = _write_case(source, folder)
        if ignored is None:
            outcome.unlabelled.append(source.case)
            tell(f"case {source.case}: left out, no voxel of it is labelled")
            continue
        outcome.written[source.split].append(source.case)
        outcome.ignored[source.case] = ignored
        tell(f"case {source.case}: {source.split}, {ignored:.1%} of its voxels to be ignored")
    learnt, validated = outcome.written["train"], outcome.written["val"]
    if not learnt:
        raise ExportError(
            "no case of split train can be written; expected at least one with labels that no "
            "stage refused; see the report's list of refused cases"
        )
    write_json(folder / "dataset.json", _about(name, grid, len(learnt) + len(validated)))
    if validated:
        fold = {"train": sorted(learnt), "val": sorted(validated)}
        write_text(folder / "splits_final.json", json.dumps([fold], indent=2) + "\n")
    return outcome


def one_label(
    labels: NDArray[np.uint8], lungs: NDArray, grid: Grid, coverage: Coverage
) -> NDArray[np.uint8]:
    """What one label a voxel can say of a case, ``(Z, Y, X)`` uint8: 0, a class, or ``IGNORE``.

    What is known is known class by class, see :func:`lacaf.coverage.targets_and_validity`. One
    label speaks of all classes at once, so

    - a labelled vessel keeps its label: it is no other class;
    - a voxel is background only where that is known of every class;
    - all else is ``IGNORE``, also where one class is known not to be and another one is unknown:
      beside arteries whose veins nobody drew; and in a case with one labelled lung everywhere but
      at that lung's vessels and deep inside it, where no vessel of the other lung can be.

    So this is less than the case's own labels and coverage say, and never more.

    Args:
        labels: ``(Z, Y, X)`` canonical labels: 0, the classes' values, 255 unknown.
        lungs: ``(Z, Y, X)`` 0, 1 left, 2 right.
        grid: grid of both.
        coverage: state of each class.
    """
    _, valid = targets_and_validity(labels, lungs, grid, coverage)
    known = np.where(labels == UNKNOWN, 0, labels)
    return np.where(valid.all(axis=0), known, IGNORE).astype(np.uint8)


def _sources(
    cases: Iterable[Case], data: Path, grid: GridName, outcome: Outcome, tell: Callable[[str], None]
) -> Sequence[Source]:
    """The cases that may be written, all of their files being there; the others are told."""
    sources = []
    for case in (case for case in cases if case.split in PART):
        harmonized = data / "harmonize" / case.case
        record = read_json(harmonized / "coverage.json")
        if record["status"] == "refused":
            outcome.refused.append(case.case)
            tell(f"case {case.case}: left out, refused by {record['refusal']['stage']}")
            continue
        original = grid == "original"
        source = Source(
            case.case,
            case.split,
            data / ("convert" if original else "crop") / case.case / "image.nii.gz",
            harmonized / ("labels.nii.gz" if original else "labels_working.nii.gz"),
            data / "crop" / case.case / "lungs.nii.gz",
            record["coverage"],
        )
        for path in (source.image, source.labels, source.lungs):
            if not path.exists():
                raise Missing(f"{path} is missing: run `snakemake harmonize` first")
        sources.append(source)
    return sources


def _write_case(source: Source, folder: Path) -> float | None:
    """Write a case; the fraction of its voxels that are ignored, None if it has no label."""
    image, labels, lungs = (volume.read(p) for p in (source.image, source.labels, source.lungs))
    if not image.grid.same_as(labels.grid):
        raise ExportError(
            f"case {source.case}: image and labels lie on different grids, expected one; run "
            "`snakemake harmonize` to make them anew"
        )
    if not np.isin(labels.array, [row.value for row in TABLE]).any():
        return None
    lungs = volume.resample(lungs, image.grid, "nearest")
    array = one_label(labels.array, lungs.array, image.grid, source.coverage)
    part = PART[source.split]
    files = {
        folder / f"images{part}" / f"{source.case}_0000{ENDING}": image,
        folder / f"labels{part}" / f"{source.case}{ENDING}": Volume(array, image.grid),
    }
    for path, content in files.items():
        path.parent.mkdir(exist_ok=True)
        volume.write(content, path)
    return float((array == IGNORE).mean())


def _about(name: str, grid: GridName, training: int) -> dict[str, object]:
    """What nnU-Net asks to be told in ``dataset.json``, and what people may want to know."""
    return {
        "channel_names": {"0": "CT"},
        "labels": LABELS,
        "numTraining": training,
        "file_ending": ENDING,
        "name": name,
        "description": f"Pulmonary arteries and veins in chest CT, {grid} grid",
        "converted_by": MADE_BY,
    }
