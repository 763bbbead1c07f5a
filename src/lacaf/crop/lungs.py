"""The lungs on the coarse copy: found by their air, told apart by the patient's own axes."""

from __future__ import annotations

from dataclasses import dataclass, field

import cc3d
import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from lacaf.crop.airways import airways
from lacaf.records import Refusal
from lacaf.volume import Grid, Volume

#: Between lung and soft tissue, HU.
AIR_BELOW_HU = -400
#: The inside of a gas bubble, of the air under a table top or around the body is as dark as this.
FREE_AIR_HU = -955
#: Air on the image's rim is the room if most of it is darker than this, HU; it is less strict
#: because a lung that is cut off at the side is rare and slivers of room are blurred.
ROOM_HU = -900
#: A piece smaller than this share of all lung is no lung of its own.
SECOND_LUNG_SHARE = 0.15
#: Loose pieces of lung (behind a fissure, beyond a tumour) come back if they are this close, mm.
LOOSE_PIECE_MM = 8.0
#: Radius of the closing that takes vessels of the hilum and small consolidations in, mm.
CLOSING_MM = 10.0
#: Lungs lie at least this far apart, centre to centre across the body, mm.
APART_MM = 25.0
#: Lung on an outer face of the image, as a share of its largest section along that axis.
CUT_FLAG, CUT_REFUSE = 0.02, 0.5
#: Typical soft tissue, HU: its median lies here in any CT, with or without contrast.
TISSUE_HU = (-150, 150)

FACES = (("bottom", "top"), ("front", "back"), ("right side", "left side"))


@dataclass
class Lungs:
    """What was found on the coarse grid.

    Attributes:
        mask: ``(Z, Y, X)`` uint8, 1 left, 2 right, vessels and hilum filled in.
        filled: voxels of the mask that are no air (vessels, hilum, consolidation).
        airways: trachea and large bronchi outside the lungs.
        grid: upright coarse grid.
        flags: what a reader should know.
        method: how the lungs were told apart.
    """

    mask: NDArray[np.uint8]
    filled: NDArray[np.bool_]
    airways: NDArray[np.bool_]
    grid: Grid
    flags: list[str] = field(default_factory=list)
    method: dict[str, str] = field(default_factory=dict)

    def volumes_ml(self) -> dict[str, float]:
        """Volume of each lung, ml."""
        ml = np.bincount(self.mask.ravel(), minlength=3) * self.grid.voxel_ml
        return {"left": float(ml[1]), "right": float(ml[2])}


def find(image: Volume, min_lung_ml: float) -> Lungs:
    """Find both lungs in a CT on the coarse upright grid.

    Raises:
        Refusal: HU are implausible, there are no two lungs, one is missing or too small, or
            the image ends in the middle of a lung.
    """
    hu, grid = image.array, image.grid
    spacing = grid.spacing_mm[0]
    _check_hu(hu)
    air = hu < AIR_BELOW_HU
    inside = _inside(hu, air)
    tissue_x = np.nonzero((hu > -300) & (hu < 300))[2]
    tree = airways(hu, inside, spacing, float(tissue_x.mean()))
    flags = [] if tree is not None else ["no trachea found: bronchi may count as lung"]
    tree = np.zeros_like(air) if tree is None else tree
    pieces = _lung_pieces(hu, inside & ~tree)
    parts, method = _two_lungs(pieces, spacing, grid.voxel_ml, min_lung_ml)
    sides = _sides(parts, grid)
    sides = _reclaim(sides, pieces, spacing)
    closed = _close(sides, tree, spacing)
    found = Lungs(
        closed, (closed > 0) & ~air, tree & (closed == 0), grid, flags, {"parting": method}
    )
    _check_size(found, min_lung_ml)
    found.flags += _check_ends(closed > 0)
    return found


def _check_hu(hu: NDArray[np.float32]) -> None:
    remedy = "check the rescale slope and intercept, and that the file is a CT"
    darkest = float(np.percentile(hu, 0.1))
    if darkest > AIR_BELOW_HU:
        raise Refusal(
            f"there is no air in the image, its darkest voxels have {darkest:.0f} HU",
            expectation="lungs of about -850 HU",
            remedy=remedy,
        )
    tissue = hu[hu > -300]
    median = float(np.median(tissue)) if tissue.size else float("nan")
    if not TISSUE_HU[0] <= median <= TISSUE_HU[1]:
        raise Refusal(
            f"the median of all that is no air is {median:.0f} HU",
            expectation=f"soft tissue, {TISSUE_HU[0]} to {TISSUE_HU[1]} HU",
            remedy=remedy,
        )


def _inside(hu: NDArray[np.float32], air: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Air that is not the air around the patient.

    Slice by slice, so that the trachea of a patient whose mouth is in the image does not join
    lungs and room. Air on the image's rim that is as light as lung stays: a lung may be cut off.
    """
    flat = np.zeros((3, 3, 3), bool)
    flat[1] = ndimage.generate_binary_structure(2, 1)
    regions, count = ndimage.label(air, structure=flat)
    rim = np.zeros(count + 1, bool)
    for face in (regions[:, 0], regions[:, -1], regions[:, :, 0], regions[:, :, -1]):
        rim[np.unique(face)] = True
    size = np.bincount(regions.ravel(), minlength=count + 1)
    free = np.bincount(regions[hu < ROOM_HU], minlength=count + 1)
    rim &= free > 0.5 * size
    return air & ~rim[regions]


def _lung_pieces(hu: NDArray[np.float32], air: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Connected pieces of aerated lung, 1 the largest; free gas and specks are left out."""
    pieces, count = cc3d.connected_components(air, connectivity=6, return_N=True)
    core = edt.edt(air, parallel=1) > 1.5
    core_size = np.bincount(pieces[core], minlength=count + 1)
    dark = np.bincount(pieces[core & (hu < FREE_AIR_HU)], minlength=count + 1)
    size = np.bincount(pieces.ravel(), minlength=count + 1)
    lung = (core_size > 0) & (dark < 0.5 * np.maximum(core_size, 1))
    lung[0] = False
    order = [n for n in np.argsort(-size) if lung[n]]
    rank = np.zeros(count + 1, np.uint32)
    rank[order] = np.arange(1, len(order) + 1)
    return rank[pieces]


def _two_lungs(
    pieces: NDArray[np.uint32], spacing: float, voxel_ml: float, min_lung_ml: float
) -> tuple[NDArray[np.uint8], str]:
    """Both lungs as 1 and 2 in no order yet, and how they were told apart."""
    size_ml = np.bincount(pieces.ravel())[1:] * voxel_ml
    total = float(size_ml.sum())
    if total < min_lung_ml:
        raise Refusal(
            f"{total:.0f} ml of lung in the image",
            expectation=f"two lungs of at least {min_lung_ml:.0f} ml each",
            remedy="check that this is a CT of the chest (crop.min_lung_ml sets the limit)",
        )
    if len(size_ml) > 1 and size_ml[1] >= SECOND_LUNG_SHARE * (size_ml[0] + size_ml[1]):
        return np.where(pieces <= 2, pieces, 0).astype(np.uint8), "separate"
    depth = edt.edt(pieces == 1, parallel=1)
    for radius in np.arange(1.0, 6.1, 0.5):
        cores, count = cc3d.connected_components(depth > radius, connectivity=6, return_N=True)
        core_size = np.bincount(cores.ravel(), minlength=3)
        core_size[0] = 0
        first, second = np.argsort(-core_size)[:2]
        if count > 1 and core_size[second] >= SECOND_LUNG_SHARE * core_size.sum():
            markers = (cores == first).astype(np.int8) + 2 * (cores == second).astype(np.int8)
            parts = watershed(-depth, markers, mask=pieces == 1)
            return parts.astype(np.uint8), f"parted where {2 * radius * spacing:.0f} mm wide"
    raise Refusal(
        f"one piece of lung ({size_ml[0]:.0f} ml) that does not part in two",
        expectation="a left and a right lung",
        remedy="leave the case out if a lung is missing or collapsed",
    )


def _sides(parts: NDArray[np.uint8], grid: Grid) -> NDArray[np.uint8]:
    """The same with 1 left and 2 right, by the patient's x: left is where LPS x is larger."""
    centre = [grid.to_mm(np.argwhere(parts == n).mean(axis=0)) for n in (1, 2)]
    apart = centre[0] - centre[1]
    if abs(apart[0]) < APART_MM or abs(apart[0]) < 0.7 * np.linalg.norm(apart):
        raise Refusal(
            "the two largest pieces of lung do not lie side by side: their centres are "
            f"{abs(apart[0]):.0f} mm apart across the body, {abs(apart[1]):.0f} mm front to back, "
            f"{abs(apart[2]):.0f} mm along it",
            expectation="a left and a right lung",
            remedy="leave the case out if a lung is missing or collapsed; check the orientation",
        )
    swap = np.array([0, 1, 2] if apart[0] > 0 else [0, 2, 1], np.uint8)
    return swap[parts]


def _reclaim(
    sides: NDArray[np.uint8], pieces: NDArray[np.uint32], spacing: float
) -> NDArray[np.uint8]:
    """Give pieces of lung that lie close to a lung to that lung."""
    loose = (pieces > 0) & (sides == 0)
    if not loose.any():
        return sides
    distance, nearest = ndimage.distance_transform_edt(
        sides == 0, sampling=spacing, return_indices=True
    )
    gap = np.full(int(pieces.max()) + 1, np.inf)
    np.minimum.at(gap, pieces[loose], distance[loose])
    close = loose & (gap[pieces] <= LOOSE_PIECE_MM)
    return np.where(close, sides[tuple(nearest)], sides)


def _close(sides: NDArray[np.uint8], tree: NDArray[np.bool_], spacing: float) -> NDArray[np.uint8]:
    """Fill vessels, hilum and small consolidations; a voxel that both lungs want stays out."""
    closed = [_closed(sides == value, CLOSING_MM / spacing) for value in (1, 2)]
    deep = [edt.edt(lung, parallel=1) > CLOSING_MM / 2 / spacing for lung in closed]
    # Inside a lung a bronchus is lung; the trachea and a main bronchus on its way in are not.
    trunk = tree & ~(deep[0] | deep[1])
    free = (sides == 0) & ~(closed[0] & closed[1]) & ~trunk
    out = sides.copy()
    for value in (1, 2):
        out[free & closed[value - 1]] = value
    return out


def _closed(lung: NDArray[np.bool_], radius_vox: float) -> NDArray[np.bool_]:
    """Closing with a ball, then holes filled, slice by slice and whole."""
    pad = int(radius_vox) + 2
    box = ndimage.find_objects(lung.astype(np.uint8))[0]
    part = np.pad(lung[box], pad)
    wide = edt.edt(~part, parallel=1) <= radius_vox
    shut = (edt.edt(wide, parallel=1) > radius_vox) | part
    shut = shut[pad:-pad, pad:-pad, pad:-pad]
    shut = np.stack([ndimage.binary_fill_holes(plane) for plane in shut])
    out = np.zeros_like(lung)
    out[box] = ~_reached_from_outside(~shut)
    return out


def _reached_from_outside(free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The part of ``free`` that is connected to the outside of the array."""
    regions = cc3d.connected_components(np.pad(free, 1, constant_values=True), connectivity=6)
    return (regions == regions[0, 0, 0])[1:-1, 1:-1, 1:-1]


def _check_size(lungs: Lungs, min_lung_ml: float) -> None:
    volumes = lungs.volumes_ml()
    if min(volumes.values()) < min_lung_ml:
        raise Refusal(
            f"left lung {volumes['left']:.0f} ml, right lung {volumes['right']:.0f} ml",
            expectation=f"at least {min_lung_ml:.0f} ml each",
            remedy="leave the case out if a lung is missing or collapsed "
            "(crop.min_lung_ml sets the limit)",
        )


def _check_ends(lung: NDArray[np.bool_]) -> list[str]:
    """Flags where a lung reaches the image's end; most of a lung cut off is refused.

    Many good scans miss the last centimetre of a lung: such a case is used and flagged. If the
    section at the end is over half of the largest, a large part of the vessels is not there,
    and neither the sides nor the volumes can be trusted.
    """
    flags = []
    for axis, names in enumerate(FACES):
        sections = lung.sum(axis=tuple(a for a in range(3) if a != axis))
        for position, name in zip((0, -1), names, strict=True):
            share = float(sections[position] / sections.max())
            if share > CUT_REFUSE:
                raise Refusal(
                    f"the lungs are cut off at the {name} of the image "
                    f"({share:.0%} of their largest section lies on its last slice)",
                    expectation="whole lungs",
                    remedy="use a series that covers the chest, or leave the case out",
                )
            if share > CUT_FLAG:
                flags.append(f"lungs reach the {name} of the image ({share:.0%} of a section)")
    return flags
