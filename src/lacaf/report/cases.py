"""What is shown of a segmented case: figures and the scene for the viewer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.typing import NDArray

from lacaf import volume
from lacaf.coverage import CLASSES
from lacaf.report.findings import Findings, complete
from lacaf.report.overlay import Row, figure
from lacaf.report.planes import Plane, choose
from lacaf.report.portrait import front_view
from lacaf.report.scene import Scene, build
from lacaf.volume import Volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: More predictions side by side are not readable; the tables still hold every run.
MOST_RUNS = 3
REFERENCE = "reference"
PORTRAIT_PX = 300


@dataclass
class Portrayed:
    """A case ready to be drawn.

    Attributes:
        case: its name.
        image: CT.
        labels: the reference, if there is one, and one prediction a run, by key.
        reference_name: what the reference is, in words; empty if there is none.
        coverage: state of each class of the reference.
        planes: the three planes.
        scene: the trees; None if there is no vessel.
        stills: front view by key and by whether errors are marked.
    """

    case: str
    image: Volume
    labels: dict[str, Volume]
    reference_name: str
    coverage: Mapping[str, str]
    planes: list[Plane]
    scene: Scene | None
    stills: dict[tuple[str, bool], NDArray]

    def figure(self) -> Figure:
        """CT, reference, and each prediction with and without its errors marked."""
        rows = [Row("CT")]
        reference = self.labels.get(REFERENCE)
        for key, labels in self.labels.items():
            title = self.reference_name if key == REFERENCE else key
            rows.append(Row(title, labels, portrait=self.stills.get((key, False))))
            if key != REFERENCE and reference is not None:
                still = self.stills.get((key, True))
                rows.append(Row(f"{key}, errors", labels, reference, still))
        return figure(self.image, self.planes, rows, self.coverage)

    def hero(self) -> Figure:
        """Reference and predictions, errors marked: a figure for the first screen."""
        reference = self.labels.get(REFERENCE)
        rows = []
        for key, labels in self.labels.items():
            title = self.reference_name if key == REFERENCE else key
            compared = None if key == REFERENCE else reference
            rows.append(Row(title, labels, compared, self.stills.get((key, False))))
        return figure(self.image, self.planes, rows, self.coverage)


def portray(findings: Findings, case: str) -> Portrayed | None:
    """Read the volumes of a case; None if its CT is not there any more."""
    image_path = findings.data / "convert" / case / "image.nii.gz"
    if not image_path.exists():
        return None
    image = volume.read(image_path)
    labels: dict[str, Volume] = {}
    reference, name, coverage = _reference(findings, case)
    if reference is not None:
        labels[REFERENCE] = reference
    for run in shown_runs(findings, case):
        path = findings.prediction(run, case)
        if path is not None:
            labels[run] = volume.read(path)
    lungs_path = findings.data / "crop" / case / "lungs.nii.gz"
    lungs = volume.read(lungs_path) if lungs_path.exists() else None
    planes = choose(list(labels.values())[:1], lungs, image.grid)
    scene = build(labels, REFERENCE if reference is not None else None, coverage)
    return Portrayed(case, image, labels, name, coverage, planes, scene, _stills(scene))


def _stills(scene: Scene | None) -> dict[tuple[str, bool], NDArray]:
    """Front views by key and by whether errors are marked."""
    if scene is None:
        return {}
    stills = {}
    for key, meshes in scene.trees.items():
        stills[key, False] = front_view(meshes, scene.frame_mm, PORTRAIT_PX)
        if key in scene.missed:
            both = [*meshes, *scene.missed[key]]
            stills[key, True] = front_view(both, scene.frame_mm, PORTRAIT_PX, marking=True)
    return stills


def shown_runs(findings: Findings, case: str) -> list[str]:
    """The runs whose predictions stand side by side: one an experiment, the first seed."""
    chosen: dict[str, str] = {}
    for run in findings.runs.values():
        if findings.prediction(run.name, case) is not None:
            chosen.setdefault(run.experiment, run.name)
    return list(chosen.values())[:MOST_RUNS]


def _reference(findings: Findings, case: str) -> tuple[Volume | None, str, Mapping[str, str]]:
    """What predictions are compared with, its name, and the coverage that goes with it."""
    truth = findings.truth(case)
    if truth is not None:
        return volume.read(truth), "hidden truth", dict.fromkeys(CLASSES, "labelled")
    coverage = findings.coverage(case)
    path = findings.data / "harmonize" / case / "labels.nii.gz"
    if path.exists() and "labelled" in coverage.values():
        return volume.read(path), "labels", complete(coverage)
    return None, "", complete({})
