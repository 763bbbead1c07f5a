"""A thorax of ellipsoids and tubes: too plain to learn from, quick enough for any test.

Left and right differ in size, and a bright cube marks the patient's upper left front, so that
no flip or turn of the axes goes unseen.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lacaf.cases import Case
from lacaf.grid import Grid
from lacaf.volume import Volume

#: Where the marker lies in the upright phantom, LPS mm, and its HU.
MARKER_MM, MARKER_HU = (30.0, -14.0, 20.0), 2000
VESSEL_HU = {1: 210, 2: 110, 3: 220, 4: 120}  # each class has its own: labels can be checked


@dataclass(frozen=True)
class Simple:
    image: Volume
    labels: Volume
    lungs: Volume
    facts: dict

    @property
    def truth(self):
        """No vessel leads to both lungs here."""
        return self.labels


def simple(shape=(26, 30, 44), spacing_mm=(2.0, 2.4, 3.0), seed=0) -> Simple:
    """Image, labels and lungs on an upright grid about 0; ``spacing_mm`` is x, y, z."""
    origin = tuple(-0.5 * s * (n - 1) for s, n in zip(spacing_mm, shape[::-1], strict=True))
    grid = Grid.upright(shape, spacing_mm, origin)
    x, y, z = np.moveaxis(grid.to_mm(np.moveaxis(np.indices(shape), 0, -1)), -1, 0)
    rng = np.random.default_rng(seed)
    hu = np.where((x / 43) ** 2 + (y / 34) ** 2 < 1, 40.0, -1000.0)
    lungs = np.zeros(shape, np.uint8)
    lungs[((x - 21) / 14) ** 2 + (y / 24) ** 2 + (z / 32) ** 2 < 1] = 1
    lungs[((x + 21) / 16) ** 2 + (y / 25) ** 2 + (z / 34) ** 2 < 1] = 2
    hu[lungs > 0] = -850
    hu += rng.normal(0, 8, shape)
    labels = np.zeros(shape, np.uint8)
    for value, side, behind in ((1, 1, 6), (2, 1, -6), (3, -1, 6), (4, -1, -6)):
        tube = (np.hypot(y - behind, z - 4 * side) < 4.5) & (x * side > 8) & (x * side < 30)
        labels[tube] = value
        hu[tube] = VESSEL_HU[value]
    cube = np.all([abs(a - m) < 3.1 for a, m in zip((x, y, z), MARKER_MM, strict=True)], axis=0)
    hu[cube] = MARKER_HU
    image = Volume(np.rint(hu).astype(np.int16), grid)
    return Simple(image, Volume(labels, grid), Volume(lungs, grid), {"kind": "simple"})


def case_in(folder: Path, coding="four_classes", side="both", labels="labels.nii.gz") -> Case:
    """A row of a case table whose files lie below ``folder``."""
    return Case(
        case="case1",
        patient="patient1",
        source=folder / "case1" / "dicom",
        labels=folder / "case1" / labels if coding else None,
        coding=coding or None,
        labelled_side=side if coding else "",
        split="train" if coding else "predict",
    )
