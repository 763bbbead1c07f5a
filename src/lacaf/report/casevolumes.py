"""The volumes of a case that the report shows, and what stands for what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lacaf import volume
from lacaf.classes import CLASSES
from lacaf.report.findings import Findings, complete
from lacaf.volume import Volume

#: More predictions side by side are not readable; the tables still hold every run.
MOST_RUNS = 3
REFERENCE = "reference"


@dataclass
class CaseVolumes:
    """What lies on the disk of a case.

    Attributes:
        case: its name.
        image: CT; None if it was refused, or is not there any more.
        lungs: on the working grid, 1 left, 2 right.
        labels: the reference, if there is one, and one prediction a run, by key.
        reference_name: what the reference is, in words; empty if there is none.
        coverage: state of each class of the reference.
    """

    case: str
    image: Volume | None = None
    lungs: Volume | None = None
    labels: dict[str, Volume] = field(default_factory=dict)
    reference_name: str = ""
    coverage: Mapping[str, str] = field(default_factory=lambda: complete({}))

    @property
    def runs(self) -> list[str]:
        """The runs whose predictions are among the labels."""
        return [key for key in self.labels if key != REFERENCE]

    def title(self, key: str) -> str:
        """What a label volume is called on the page."""
        return self.reference_name if key == REFERENCE else key


def segmented(findings: Findings, base: CaseVolumes) -> CaseVolumes:
    """The volumes of a case with its predictions, and what they are compared with.

    The reference of a phantom is its hidden truth, of a patient the harmonized labels.
    """
    case, shown = base.case, CaseVolumes(base.case, base.image, base.lungs)
    truth = findings.truth(case)
    coverage = findings.coverage(case)
    path = findings.data / "harmonize" / case / "labels.nii.gz"
    if truth is not None:
        shown.labels[REFERENCE] = volume.read(truth)
        shown.reference_name = "hidden truth"
        shown.coverage = dict.fromkeys(CLASSES, "labelled")
    elif path.exists() and "labelled" in coverage.values():
        shown.labels[REFERENCE] = volume.read(path)
        shown.reference_name, shown.coverage = "labels", complete(coverage)
    for run in shown_runs(findings, case):
        file = findings.prediction(run, case)
        if file is not None:
            shown.labels[run] = volume.read(file)
    return shown


def converted(findings: Findings, case: str) -> CaseVolumes:
    """The CT and the lungs of a case, as far as its stages came."""
    paths = findings.data / "convert" / case / "image.nii.gz", _lungs(findings, case)
    image, lungs = (volume.read(path) if path.exists() else None for path in paths)
    return CaseVolumes(case, image, lungs)


def harmonized(findings: Findings, base: CaseVolumes) -> CaseVolumes:
    """The CT and the lungs of a case with its labels as harmonize left them."""
    case, shown = base.case, CaseVolumes(base.case, base.image, base.lungs)
    path = findings.data / "harmonize" / case / "labels.nii.gz"
    if path.exists():
        shown.labels[REFERENCE] = volume.read(path)
        shown.reference_name, shown.coverage = "labels", complete(findings.coverage(case))
    return shown


def raw_labels(findings: Findings, case: str) -> list[Volume]:
    """What convert handed on as labels, each file as a mask of what is not 0."""
    found = sorted((findings.data / "convert" / case).glob("labels*.nii.gz"))
    parts = (volume.read(path) for path in found)
    return [Volume((part.array != 0).astype(np.uint8), part.grid) for part in parts]


def shown_runs(findings: Findings, case: str) -> list[str]:
    """The runs whose predictions stand side by side: one an experiment, the first seed."""
    chosen: dict[str, str] = {}
    for run in findings.runs.values():
        if findings.prediction(run.name, case) is not None:
            chosen.setdefault(run.experiment, run.name)
    return list(chosen.values())[:MOST_RUNS]


def _lungs(findings: Findings, case: str) -> Path:
    return findings.data / "crop" / case / "lungs.nii.gz"
