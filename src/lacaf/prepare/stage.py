"""One case as training reads it: arrays in chunks, and voxels to centre patches on.

A cache: it holds nothing that crop and harmonize do not hold, and can be made again at any time.
It does not depend on an experiment's parameters, so all experiments share it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf import chunked, volume
from lacaf.classes import CLASSES, UNKNOWN
from lacaf.coverage import targets_and_validity
from lacaf.fault import Refusal
from lacaf.files import read_json
from lacaf.model.inputs import network_input

#: Candidate centres of patches that are kept for each class of a case.
CENTRES = 20_000


def prepare(cropped: Path, harmonized: Path, folder: Path) -> dict[str, Any]:
    """Lay out one case.

    Writes into ``folder``:

    - ``hu.b2nd``, ``side.b2nd``: ``(Z, Y, X)``, see :class:`lacaf.model.inputs.Cut`;
    - ``known0.b2nd``: ``(Z, Y, X)`` uint8: of K classes bit k is set where class k is the target,
      bit K + k where it is valid; from the ninth bit on in ``known1.b2nd``, and so on;
    - ``place.npz``: ``height`` and ``depth``, see there;
    - ``centres.npy``: ``(N,)`` int64, flat indices of voxels: of each class in turn, then of any
      labelled voxel inside the lungs.

    Returns:
        Details for the record: shape, spacing, coverage, and how many centres there are of each
        class and of labelled voxels.

    Raises:
        Refusal: image, lungs and labels lie on different grids, or a lung is missing.
    """
    coverage = read_json(harmonized / "coverage.json")["coverage"]
    image = volume.read(cropped / "image.nii.gz")
    lungs = volume.read(cropped / "lungs.nii.gz")
    labels = volume.read(harmonized / "labels_working.nii.gz")
    again = "run crop and harmonize again for this case"
    if not (image.grid.same_as(lungs.grid) and image.grid.same_as(labels.grid)):
        raise Refusal(
            "image, lungs and labels lie on different grids", expectation="one grid", remedy=again
        )
    try:
        seen = network_input(image.array, lungs.array, image.grid)
    except ValueError as error:
        raise Refusal(str(error), expectation="both lungs", remedy=again) from None
    targets, valid = targets_and_validity(labels.array, lungs.array, image.grid, coverage)
    rng = np.random.default_rng(0)
    centres = {name: _some(target, rng) for name, target in zip(CLASSES, targets, strict=True)}
    centres["labelled"] = _some((labels.array != UNKNOWN) & (lungs.array > 0), rng)
    known = np.packbits(np.concatenate([targets, valid]), axis=0, bitorder="little")
    chunked.write(seen.hu, folder / "hu.b2nd")
    chunked.write(seen.side, folder / "side.b2nd")
    for index, plane in enumerate(known):
        chunked.write(plane, folder / f"known{index}.b2nd")
    np.savez(folder / "place.npz", height=seen.height, depth=seen.depth)
    np.save(folder / "centres.npy", np.concatenate(list(centres.values())))
    return {
        "shape": list(image.grid.shape),
        "spacing_mm": image.grid.spacing_mm[0],
        "coverage": coverage,
        "centres": {name: len(indices) for name, indices in centres.items()},
    }


def _some(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Up to ``CENTRES`` flat voxel indices of a mask, in order."""
    flat = np.flatnonzero(mask)
    if len(flat) > CENTRES:
        flat = np.sort(rng.choice(flat, CENTRES, replace=False))
    return flat
