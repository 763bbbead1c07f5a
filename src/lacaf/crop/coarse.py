"""The coarse copy on which the lungs are found: upright, isotropic, and what it does not show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lacaf.crop.sampling import AIR_HU, sample
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.volume import Volume, upright_grid_around

#: Spacing of the coarse copy: lobar bronchi and the pleura between touching lungs still show.
COARSE_MM = 2.5
#: Between lung and soft tissue, HU: half way from inflated lung to muscle.
AIR_BELOW_HU = -400
#: What is denser than this is patient, couch or blanket, HU; air around them is kept so far.
THING_HU, ROOM_VOX = -850.0, 3
#: So far sampling mixes the image with what was not seen beside it, in coarse voxels.
BLEND_VOX = 2
#: Air is the room's if most of what it shows on the image's rim is darker than this, HU; it is less
#: strict than for bubbles because a lung that is cut off is rare and slivers of room are blurred.
ROOM_HU = -900
#: A region that meets the rim over more than this fraction of the image's width is no single lung.
ROOM_WIDTH = 0.6
#: Typical soft tissue, HU: its median lies here in any CT, with or without contrast.
TISSUE_HU = (-150, 150)


@dataclass
class Coarse:
    """A CT on the upright isotropic grid of COARSE_MM.

    Attributes:
        hu: ``(Z, Y, X)`` float32, not below AIR_HU.
        grid: where its voxels lie.
        unseen: voxels that the scanner did not see: padding around its field of view, and what
            lies beside an oblique image.
    """

    hu: NDArray[np.float32]
    grid: Grid
    unseen: NDArray[np.bool_]

    @cached_property
    def beside(self) -> NDArray[np.bool_]:
        """What was not seen and what is a blend of it and the image."""
        if not self.unseen.any():
            return self.unseen
        return ndimage.binary_dilation(self.unseen, in_slice(), iterations=BLEND_VOX)

    @cached_property
    def air(self) -> NDArray[np.bool_]:
        """Air that was seen, in lungs, bowel and room."""
        return (self.hu < AIR_BELOW_HU) & ~self.beside

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """Air that is not the air around the patient.

        Slice by slice, so that the trachea of a patient whose mouth is in the image does not join
        lungs and room. A region is the room's if it is dark where it meets the rim of what the
        scanner saw, or meets it over much of the image's width (a couch of foam); one that is as
        light as lung there stays: a lung may be cut off.
        """
        regions, count = ndimage.label(self.air, structure=in_slice())
        rim = ndimage.binary_dilation(self.beside, in_slice()) & ~self.beside
        rim[:, [0, -1]] = rim[:, :, [0, -1]] = True
        met, x = regions[rim], np.nonzero(rim)[2]
        seen = np.bincount(met, minlength=count + 1)
        dark = np.bincount(met, self.hu[rim] < ROOM_HU, minlength=count + 1)
        first, last = np.full(count + 1, rim.shape[2]), np.zeros(count + 1, int)
        np.minimum.at(first, met, x)
        np.maximum.at(last, met, x)
        wide = last - first > ROOM_WIDTH * rim.shape[2]
        room = (seen > 0) & ((dark > 0.5 * seen) | wide)
        room[0] = True
        return self.air & ~room[regions]

    @cached_property
    def enclosed(self) -> NDArray[np.bool_]:
        """The body and all that is not joined to the room within its axial slice.

        What was not seen joins nothing: a lung that a round field of view cuts stays enclosed.
        """
        regions, count = ndimage.label(~(self.body | self.beside), structure=in_slice())
        open_air = np.zeros(count + 1, bool)
        open_air[np.unique(regions[self.air & ~self.inside])] = True
        open_air[0] = False
        return ~open_air[regions]

    @cached_property
    def tissue(self) -> NDArray[np.bool_]:
        """Fat, water and muscle; no bone, no air."""
        return (self.hu > -300) & (self.hu < 300)

    @cached_property
    def body(self) -> NDArray[np.bool_]:
        """The firm parts of the body; couch and clothes are left out.

        Shells of a couch are thinner than a chest wall: an opening takes them off.
        """
        pieces, count = cc3d.connected_components(
            ndimage.binary_opening(self.hu > -300), connectivity=6, return_N=True
        )
        size = np.bincount(pieces.ravel(), minlength=count + 1)
        size[0] = 0
        return pieces == (size.argmax() or -1)

    def midline_index(self) -> float:
        """x index of the body's middle."""
        across = self.tissue.sum(axis=(0, 1))
        return float(np.average(np.arange(len(across)), weights=across))


def coarse(image: Volume) -> Coarse:
    """The coarse copy of a CT, without the empty room around the patient and the couch.

    Raises:
        Refusal: its values cannot be HU.
    """
    whole = sample(image, upright_grid_around(image.grid.corners_mm(), COARSE_MM))
    _check_hu(whole.array)
    unseen = _unseen(whole.array)
    thing = (whole.array > THING_HU) & ~unseen
    rows, columns = (_used(thing.any(axis=0).sum(axis=axis)) for axis in (1, 0))
    affine = whole.grid.affine.copy()
    affine[:3, 3] = whole.grid.to_mm(np.array([0, rows.start, columns.start]))
    hu = np.ascontiguousarray(whole.array[:, rows, columns])
    return Coarse(hu, Grid(hu.shape, affine), unseen[:, rows, columns])


def _used(count: NDArray) -> slice:
    """From the first to the last plane that shows more than a speck, with ROOM_VOX around."""
    used = np.flatnonzero(count > 1)
    if not used.size:
        return slice(0, len(count))
    return slice(max(int(used[0]) - ROOM_VOX, 0), int(used[-1]) + 1 + ROOM_VOX)


def _unseen(hu: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Constant air that reaches the image's sides: what was filled in, not measured.

    Measured air is noisy: a block of some voxels all at the very end of the scale is none.
    """
    constant = hu <= AIR_HU + 0.01
    regions, count = ndimage.label(constant, structure=in_slice())
    rim = np.zeros(count + 1, bool)
    for face in (regions[:, 0], regions[:, -1], regions[:, :, 0], regions[:, :, -1]):
        rim[np.unique(face)] = True
    rim[0] = False
    return rim[regions]


def in_slice() -> NDArray[np.bool_]:
    """Neighbours within an axial slice only."""
    structure = np.zeros((3, 3, 3), bool)
    structure[1] = ndimage.generate_binary_structure(2, 1)
    return structure


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
    if not tissue.size:
        raise Refusal("the image holds nothing but air", expectation="a patient", remedy=remedy)
    median = float(np.median(tissue))
    if not TISSUE_HU[0] <= median <= TISSUE_HU[1]:
        raise Refusal(
            f"the median of all that is no air is {median:.0f} HU",
            expectation=f"soft tissue, {TISSUE_HU[0]} to {TISSUE_HU[1]} HU",
            remedy=remedy,
        )
