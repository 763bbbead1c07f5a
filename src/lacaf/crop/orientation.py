"""Does the anatomy lie as the file's coordinates say? Spine, trachea, heart and the couch tell.

A file whose header lost or mirrored an axis gives lungs that look right and a left that is the
right. What no living patient shows (the spine in front, the trachea below the lungs) is refused;
what a rare one may show (heart on the right: about one in ten thousand) is flagged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.morphology import convex_hull_image

from lacaf.crop.coarse import Coarse
from lacaf.crop.couch import couch_side
from lacaf.crop.lungs import Lungs
from lacaf.crop.mirror import left_right
from lacaf.fault import Refusal

#: Denser than this is bone, HU; blood with contrast may be as dense, but not in every slice.
BONE_HU = 250.0
#: Half the width of the strip around the midline in which spine and breastbone lie, mm.
SPINE_STRIP_MM = 40.0
#: Less bone than this in the strip tells nothing, ml.
LEAST_BONE_ML = 5.0
#: In a patient the spine is behind in nearly all slices (0.78 to 1.0 of them in trials).
SPINE_BEHIND = (0.35, 0.65)
#: Ends of the lungs that are compared, shares of their height: crescents below, ovals above.
ENDS = (0.06, 0.20)
#: An oval fills its convex hull, a crescent about half of it: the difference counts from here on.
HULL_DIFFERENCE = 0.15
#: The trachea's middle lies this far above or below the lungs' middle, a fraction of their height.
TRACHEA_OFF = 0.1
#: A body that fills this much of two opposite planes is cut there. In axial slices that is the
#: case for the first and last, which it fills more than any others.
BODY_SECTION = 0.10
#: So many planes of the coarse copy are its end: the outermost may lie half outside the image.
END_VOX = 3

AS_STORED, CONTRARY, UNKNOWN = "as stored", "contrary", "unknown"
REMEDY = (
    "the file's orientation was lost or changed on the way (a flip, a wrong patient position): "
    "go back to the original series; sides cannot be trusted otherwise"
)


def check(lungs: Lungs, copy: Coarse) -> tuple[dict[str, Any], list[str]]:
    """What the anatomy says of the file's axes, for the record, and flags.

    Raises:
        Refusal: spine in front, lungs upside down, or axes swapped.
    """
    front_back = _front_back(lungs, copy)
    head_feet = _head_feet(lungs)
    couch = couch_side(copy)
    if front_back["says"] == CONTRARY:
        raise Refusal(
            f"bone in the midline lies in front of the lungs' middle in "
            f"{1 - front_back['spine_behind']:.0%} of the slices"
            + (f", the couch {couch}" if couch != UNKNOWN else ""),
            expectation="the spine behind, as in every patient",
            remedy=REMEDY,
        )
    if head_feet["says"] == CONTRARY:
        raise Refusal(
            f"the lungs stand on their heads: {_told(head_feet)}",
            expectation="the trachea above, crescents of lung around the diaphragm below",
            remedy=REMEDY,
        )
    sides = left_right(lungs, copy, front_back.pop("spine_yx", None))
    flags = [sides.pop("flag")] if "flag" in sides else []
    facts = {"front_back": front_back, "head_feet": head_feet, "left_right": sides, "couch": couch}
    flags += _doubts(front_back, head_feet)
    if couch not in ("behind", UNKNOWN):
        lying = "prone" if couch == "in front" else "on a side"
        flags.append(f"the couch lies {couch}: the patient was scanned lying {lying}")
    return facts, flags


def check_axes(copy: Coarse) -> None:
    """Refuse a body that is cut at the front and back instead of towards head and feet.

    Raises:
        Refusal: axes of the patient are swapped.
    """
    fraction = []
    for axis in range(3):
        filled = copy.body.mean(axis=tuple(a for a in range(3) if a != axis))
        fraction.append([float(filled[:END_VOX].max()), float(filled[-END_VOX:].max())])
    along = max(fraction[0])
    across = {"front and back": min(fraction[1]), "right and left": min(fraction[2])}
    name, most = max(across.items(), key=lambda item: item[1])
    if most > BODY_SECTION and along < most / 2:
        raise Refusal(
            f"the body is cut at its {name} more than towards head and feet: "
            f"it fills {along:.0%} of the first or last slice and {most:.0%} of those planes",
            expectation="axial slices through a body that is longer than the scan",
            remedy=REMEDY,
        )


def _front_back(lungs: Lungs, copy: Coarse) -> dict[str, Any]:
    """Share of the slices in which bone near the midline lies behind the lungs' middle."""
    lung = lungs.mask > 0
    spacing = copy.grid.spacing_mm[0]
    slices = np.flatnonzero(lung.any(axis=(1, 2)))
    rows = np.flatnonzero(lung.any(axis=(0, 2)))
    middle = (rows[0] + rows[-1]) / 2
    bone = copy.hu[slices] > BONE_HU
    off = np.abs(np.arange(bone.shape[2]) - _between(lungs)) * spacing
    bone = bone & (off < SPINE_STRIP_MM)
    if bone.sum() * copy.grid.voxel_ml < LEAST_BONE_ML:
        return {"says": UNKNOWN, "spine_behind": None}
    behind = bone[:, int(middle) + 1 :].sum(axis=(1, 2))
    before = bone[:, : int(middle) + 1].sum(axis=(1, 2))
    told = behind != before
    if not told.any():
        return {"says": UNKNOWN, "spine_behind": None}
    fraction = float((behind > before)[told].mean())
    says = AS_STORED if fraction > SPINE_BEHIND[1] else UNKNOWN
    facts = {
        "says": CONTRARY if fraction < SPINE_BEHIND[0] else says,
        "spine_behind": round(fraction, 3),
    }
    if says == AS_STORED:
        facts["spine_yx"] = _spine(bone[:, int(middle) + 1 :], int(middle) + 1)
    return facts


def _spine(bone: NDArray[np.bool_], first_row: int) -> tuple[float, float]:
    """Middle y and x index of the spine; its back half, since contrast in the aorta looks alike."""
    _, y, x = np.nonzero(bone)
    middle = float(np.median(y))
    return middle + first_row, float(np.median(x[y >= middle]))


def _between(lungs: Lungs) -> float:
    """x index half way between the centres of the lungs."""
    x = np.arange(lungs.mask.shape[2])
    across = [(lungs.mask == value).sum(axis=(0, 1)) for value in (1, 2)]
    return float(np.mean([np.average(x, weights=count) for count in across]))


def _head_feet(lungs: Lungs) -> dict[str, Any]:
    """Where the trachea lies, and which end of the lungs is a crescent around the diaphragm."""
    lung = lungs.mask > 0
    slices = np.flatnonzero(lung.any(axis=(1, 2)))
    height = slices[-1] - slices[0] + 1
    low, high = (
        _hull_fraction(lungs.mask, slices, end) for end in (ENDS, (1 - ENDS[1], 1 - ENDS[0]))
    )
    votes = {"shape": 0, "trachea": 0}
    if low is not None and high is not None and abs(high - low) > HULL_DIFFERENCE:
        votes["shape"] = int(np.sign(high - low))
    trachea = None
    if lungs.airways.any():
        trachea = (np.nonzero(lungs.airways)[0].mean() - np.nonzero(lung)[0].mean()) / height
        votes["trachea"] = int(np.sign(trachea)) if abs(trachea) > TRACHEA_OFF else 0
    total = sum(votes.values())
    says = UNKNOWN if total == 0 else AS_STORED if total > 0 else CONTRARY
    return {
        "says": says,
        "trachea_above": None if trachea is None else round(float(trachea), 3),
        "hull_share_low_high": [None if v is None else round(v, 3) for v in (low, high)],
    }


def _hull_fraction(
    mask: NDArray[np.uint8], slices: NDArray, end: tuple[float, float]
) -> float | None:
    """How much of their convex hulls the lungs' sections near an end fill, 0 to 1."""
    height = slices[-1] - slices[0]
    first, last = (slices[0] + round(fraction * height) for fraction in end)
    shares = []
    for plane in mask[first : last + 1 : 2]:
        for value in (1, 2):
            section = plane == value
            if section.sum() > 30:
                shares.append(section.sum() / convex_hull_image(section).sum())
    return float(np.mean(shares)) if shares else None


def _told(head_feet: Mapping[str, Any]) -> str:
    low, high = head_feet["hull_share_low_high"]
    told = []
    if head_feet["trachea_above"] is not None:
        told.append(
            f"the trachea's middle is {head_feet['trachea_above']:+.0%} of their height off"
        )
    if low is not None and high is not None:
        told.append(f"sections fill {low:.0%} of their hulls at the lower end, {high:.0%} above")
    return ", ".join(told)


def _doubts(front_back: Mapping[str, Any], head_feet: Mapping[str, Any]) -> list[str]:
    """Flags for signs that do not agree; a sign that is missing is told by the record alone."""
    flags = []
    if front_back["says"] == UNKNOWN and front_back["spine_behind"] is not None:
        flags.append(
            f"front and back are in doubt: bone lies behind in {front_back['spine_behind']:.0%} of "
            "the slices only"
        )
    return flags
