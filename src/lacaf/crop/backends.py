"""One interface for every way of finding the lungs: a CT goes in, `Lungs` come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lacaf.crop import given, lungs, networks
from lacaf.crop.coarse import Coarse
from lacaf.crop.lungs import Lungs
from lacaf.crop.parting import sided
from lacaf.crop.working import own_mask
from lacaf.params.crop import Crop
from lacaf.volume import Volume


def find(params: Crop, image: Volume, copy: Coarse, masks: list[Path]) -> Lungs:
    """Both lungs by the backend that ``crop.lungs`` names.

    Args:
        params: section crop.
        image: the CT.
        copy: its coarse copy.
        masks: lung masks that came with the data, for the backend ``given``.

    Raises:
        Refusal: there are no two lungs, or the given mask cannot be the lungs of this CT.
        ParamsError: the package of a backend is not installed.
    """
    if params.lungs == "classical":
        return lungs.find(copy, params.min_lung_ml)
    if params.lungs == "given":
        own, facts, flags = given.read(masks, image, copy)
    else:
        own, facts, flags = networks.segment(params.lungs, image)
    return _from_mask(own, copy, {"lungs": params.lungs, **facts}, flags)


def _from_mask(own: Volume, copy: Coarse, method: dict, flags: list[str]) -> Lungs:
    """Lungs of a mask of 1 and 2 on a grid of its own; sides by the patient's axes, not by it.

    A backend that calls the lung at the patient's right the left one has seen a mirrored image,
    or has a coding of its own: the record's flags say so.
    """
    numbered = own_mask(own, copy.grid)
    mask = sided(numbered, copy.grid)
    swapped = bool(((mask != numbered) & (mask > 0)).any())
    if swapped:
        own = Volume(np.array([0, 2, 1], np.uint8)[own.array], own.grid)
        if method["lungs"] != "given":
            name = method["lungs"]
            flags = [
                *flags,
                f"{name} takes the left lung for the right one: the image may be mirrored",
            ]
    tree = lungs.airways_of(copy)
    outside = np.zeros_like(copy.air) if tree is None else tree & (mask == 0)
    filled = (mask > 0) & ~copy.air
    return Lungs(mask, filled, outside, copy.grid, own=own, flags=flags, method=method)
