"""Left or right? Heart, aorta, trachea, lung volumes and the stomach's gas each have a vote."""

from __future__ import annotations

from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

from lacaf.crop.coarse import AIR_BELOW_HU, Coarse
from lacaf.crop.lungs import Lungs

#: The heart leans to the left, the aorta runs down on the spine's left, the trachea is pushed to
#: the right by the arch, mm; the left lung is the smaller, a fraction. Less than this is no vote.
LEAST = {"heart_mm": 1.0, "aorta_mm": 0.8, "trachea_mm": 3.0, "volume_share": 0.015, "gas_mm": 25.0}
#: Parts of the lungs' height: the heart and the aorta in the lower part, the trachea in the upper.
LOWER, UPPER = (0.10, 0.60), 0.75
#: How far in front of the spine's middle heart and aorta are sought, mm.
HEART_BEFORE_MM, AORTA_BEFORE_MM = 30.0, 5.0
#: Bowel gas below the lungs counts if it is this dark, HU, and this much, ml.
GAS_HU, GAS_ML = -900.0, 5.0
#: Votes against the stored sides that make a flag, if they also outnumber those for them.
ENOUGH = 2

NAMES = {
    "heart_mm": "heart",
    "aorta_mm": "aorta",
    "trachea_mm": "trachea",
    "volume_share": "lung volumes",
    "gas_mm": "stomach gas",
}


def left_right(lungs: Lungs, copy: Coarse, spine_yx: tuple[float, float] | None) -> dict[str, Any]:
    """Signs (positive: as in most patients), and what they say together.

    A mirrored file and a patient with situs inversus look alike: ``flag`` says how many signs
    are contrary, and a person has to look.
    """
    if spine_yx is None:
        return {"says": "unknown", "signs": {}}
    signs = _signs(lungs, copy, spine_yx)
    votes = {name: int(np.sign(v)) for name, v in signs.items() if abs(v) >= LEAST[name]}
    against = [name for name, vote in votes.items() if vote < 0]
    pro = [name for name, vote in votes.items() if vote > 0]
    facts: dict[str, Any] = {
        "says": "unknown" if not votes else "as stored",
        "signs": {name: round(v, 3) for name, v in signs.items()},
        "for": len(pro),
        "against": len(against),
    }
    if len(against) >= ENOUGH and len(against) > len(pro):
        facts["says"] = "contrary"
        told = ", ".join(f"{NAMES[n]} {signs[n]:+.3g} {n.split('_')[1]}" for n in against)
        facts["flag"] = (
            f"left and right look exchanged: {len(against)} of {len(votes)} signs are contrary "
            f"({told.replace(' share', '')}): a mirrored file, or situs inversus; compare with the "
            "original"
        )
    elif len(against) >= ENOUGH:
        facts["says"] = "doubtful"
    return facts


def _signs(lungs: Lungs, copy: Coarse, spine_yx: tuple[float, float]) -> dict[str, float]:
    mask, spacing = lungs.mask, copy.grid.spacing_mm[0]
    slices = np.flatnonzero((mask > 0).any(axis=(1, 2)))
    bottom, height = int(slices[0]), int(slices[-1] - slices[0])
    spine_y, spine_x = spine_yx
    low, high = (bottom + int(fraction * height) for fraction in LOWER)
    lean, gap, y = _lean(mask[low:high], spine_x)
    signs = {"volume_share": 0.5 - float((mask == 1).sum() / (mask > 0).sum())}
    heart = y < spine_y - HEART_BEFORE_MM / spacing
    if gap[heart].sum() > 0:
        signs["heart_mm"] = float(np.average(lean[heart], weights=gap[heart]) * spacing)
    aorta = ~heart & (y < spine_y - AORTA_BEFORE_MM / spacing)
    if aorta.any():
        signs["aorta_mm"] = float(lean[aorta].mean() * spacing)
    trachea = np.nonzero(lungs.airways[bottom + int(UPPER * height) :])[2]
    if trachea.size:
        signs["trachea_mm"] = float((spine_x - trachea.mean()) * spacing)
    signs |= _gas(lungs, copy, spine_x)
    return signs


def _lean(
    mask: NDArray[np.uint8], spine_x: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Rows with both lungs: how far the middle of what lies between them is left of the spine,
    how wide that is, both in voxels, and the row's y index."""
    left, right = mask == 1, mask == 2
    z, y = np.nonzero(left.any(axis=2) & right.any(axis=2))
    nearest_left = left.argmax(axis=2)[z, y]
    nearest_right = mask.shape[2] - 1 - right[:, :, ::-1].argmax(axis=2)[z, y]
    gap = np.clip(nearest_left - nearest_right, 0, None).astype(float)
    return (nearest_left + nearest_right) / 2 - spine_x, gap, y


def _gas(lungs: Lungs, copy: Coarse, spine_x: float) -> dict[str, float]:
    """How far left of the spine the gas below the lungs' middle lies (stomach, bowel), mm."""
    middle = int(np.nonzero(lungs.mask)[0].mean())
    air = (copy.hu[:middle] < AIR_BELOW_HU) & (lungs.mask[:middle] == 0)
    pieces = cc3d.connected_components(air, connectivity=6)
    outer = np.unique(
        np.concatenate(
            [
                pieces[:, 0].ravel(),
                pieces[:, -1].ravel(),
                pieces[:, :, 0].ravel(),
                pieces[:, :, -1].ravel(),
            ]
        )
    )
    gas = (copy.hu[:middle] < GAS_HU) & (pieces > 0) & ~np.isin(pieces, outer)
    if gas.sum() * copy.grid.voxel_ml < GAS_ML:
        return {}
    return {"gas_mm": float((np.nonzero(gas)[2].mean() - spine_x) * copy.grid.spacing_mm[0])}
