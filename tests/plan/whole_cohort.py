"""The cohort of tubes with what convert and harmonize leave of it on the CT's grid."""

import numpy as np
from tubes import GRID, lay_out

from lacaf import files, volume
from lacaf.grid import Grid
from lacaf.volume import Volume

#: The CT is finer than the working grid along z.
CT = Grid.upright((48, 20, 32), (4.0, 4.0, 2.0), (-64.0, -40.0, -49.0))


def lay_out_whole(data, splits, sides=None):
    """As ``tubes.lay_out``; the labels of the CT's grid are those of the working grid."""
    cases = lay_out(data, splits, sides)
    for name in splits:
        harmonized = data / "harmonize" / name
        working = volume.read(harmonized / "labels_working.nii.gz")
        assert working.grid.same_as(GRID)
        fine = np.repeat(working.array, 2, axis=0)
        volume.write(Volume(fine, CT), harmonized / "labels.nii.gz")
        (data / "convert" / name).mkdir(parents=True)
        image = np.zeros(CT.shape, np.int16)
        volume.write(Volume(image, CT), data / "convert" / name / "image.nii.gz")
    return cases


def refuse(data, name):
    """As if harmonize had refused a case."""
    record = {"case": name, "status": "refused", "refusal": {"finding": "no labels"}}
    files.write_json(data / "harmonize" / name / "coverage.json", record)
