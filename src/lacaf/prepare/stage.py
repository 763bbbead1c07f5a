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
from lacaf.classes import TABLE, UNKNOWN
from lacaf.coverage import deep_in_lung
from lacaf.facts import packed
from lacaf.fault import Refusal
from lacaf.files import read_json
from lacaf.model.inputs import network_input
from lacaf.prepare.skeleton import tubed_skeleton
from lacaf.volume import Volume

#: Candidate centres of patches that are kept for each class of a case.
CENTRES = 20_000


def prepare(
    cropped: Path, harmonized: Path, folder: Path, truth: Path | None = None
) -> dict[str, Any]:
    """Lay out one case.

    Writes into ``folder``:

    - ``hu.b2nd``, ``side.b2nd``: ``(Z, Y, X)``, see :class:`lacaf.model.inputs.Cut`;
    - ``facts.b2nd``: ``(Z, Y, X)`` uint8, what is known of each voxel, see :mod:`lacaf.facts`;
    - ``place.npz``: ``height`` and ``depth``, see there;
    - ``centres.npy``: ``(N,)`` int64, flat indices of voxels: of each class in turn, then of any
      labelled, and of any unlabelled voxel inside the lungs;
    - of a phantom whose whole truth is at hand, ``truth.b2nd`` and ``truth_centres.npy``: the same
      from that truth, for a training that is told all.

    Args:
        cropped: the folder that stage crop left.
        harmonized: that of stage harmonize.
        folder: where to write.
        truth: the whole truth of a phantom, canonical labels on any grid; None without.

    Returns:
        Details for the record: shape, spacing, coverage, and how many centres there are of each
        class, of labelled and of unlabelled voxels; ``truth_centres`` the same of the truth, if
        there is one.

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
    chunked.write(seen.hu, folder / "hu.b2nd")
    chunked.write(seen.side, folder / "side.b2nd")
    np.savez(folder / "place.npz", height=seen.height, depth=seen.depth)
    details = {
        "shape": list(image.grid.shape),
        "spacing_mm": image.grid.spacing_mm[0],
        "coverage": coverage,
        "centres": _lay_out(labels.array, lungs, folder, "facts", "centres"),
    }
    if truth is not None:
        # Nearest neighbour: a class is a name, and there is nothing between two.
        whole = volume.resample(volume.read(truth), image.grid, "nearest", fill=UNKNOWN).array
        counts = _lay_out(whole, lungs, folder, "truth", "truth_centres")
        details["truth_centres"] = counts
    return details


def _lay_out(
    labels: NDArray, lungs: Volume, folder: Path, facts: str, centres: str
) -> dict[str, int]:
    """Write what labels ``(Z, Y, X)`` say, and centres of patches; how many there are of each."""
    deep = deep_in_lung(lungs.array, lungs.grid)
    chunked.write(packed(labels, deep, tubed_skeleton(labels)), folder / f"{facts}.b2nd")
    rng = np.random.default_rng(0)
    chosen = {row.name: _some(labels == row.value, rng) for row in TABLE}
    chosen["labelled"] = _some((labels != UNKNOWN) & (lungs.array > 0), rng)
    chosen["unlabelled"] = _some((labels == UNKNOWN) & (lungs.array > 0), rng)
    np.save(folder / f"{centres}.npy", np.concatenate(list(chosen.values())))
    return {name: len(indices) for name, indices in chosen.items()}


def _some(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Up to ``CENTRES`` flat voxel indices of a mask, in order."""
    flat = np.flatnonzero(mask)
    if len(flat) > CENTRES:
        flat = np.sort(rng.choice(flat, CENTRES, replace=False))
    return flat
