"""How far the surfaces lie apart: NSD and HD95, in millimetres."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lacaf.evaluate.distance import edge_voxels, nearest_mm, voxels
from lacaf.evaluate.masks import Masks, Spacing

#: A distance that equals the tolerance counts as within it, whatever the rounding.
ROUNDING_MM = 1e-5


def surface(masks: Masks, tolerance_mm: float, diagonal_mm: float) -> dict[str, float]:
    """NSD and HD95 of a class whose reference is known.

    Both empty: NSD 1, HD95 0. One of them empty: NSD 0, HD95 the image's diagonal.
    """
    predicted, present = bool(masks.prediction.any()), bool(masks.reference.any())
    if not (predicted and present):
        same = predicted == present
        return {"nsd": float(same), "hd95_mm": 0.0 if same else diagonal_mm}
    return {"nsd": nsd(masks, tolerance_mm), "hd95_mm": hd95_mm(masks)}


def hd95_mm(masks: Masks) -> float:
    """95 % Hausdorff distance between the edge voxels of two masks that are not empty.

    The larger of the two directed 95th percentiles (linear interpolation), each over the edge
    voxels of one mask of the distance to the nearest edge voxel of the other. An edge voxel has
    a face neighbour outside its mask. As MONAI's HausdorffDistanceMetric(percentile=95).
    """
    edges = [edge_voxels(mask) for mask in (masks.prediction, masks.reference)]
    directed = [
        np.percentile(nearest_mm(here, there, masks.spacing_mm), 95)
        for here, there in (edges, edges[::-1])
    ]
    return float(max(directed))


def nsd(masks: Masks, tolerance_mm: float) -> float:
    """Normalized surface distance of two masks of which at least one is not empty.

    The share of both surfaces' area that lies within the tolerance of the other surface
    (Nikolov et al. 2018, arXiv 1809.04430). Subvoxel convention: the surface is cut by the
    marching cubes' triangles at the corners between eight voxels. As MONAI's
    compute_surface_dice(use_subvoxels=True).
    """
    surfaces = [_surface(mask, masks.spacing_mm) for mask in (masks.prediction, masks.reference)]
    within = total = 0.0
    for (here, area), (there, _) in (surfaces, surfaces[::-1]):
        total += float(area.sum())
        if len(here) and len(there):
            limit = tolerance_mm + ROUNDING_MM
            close = nearest_mm(here, there, masks.spacing_mm, limit * 1.01) <= limit
            within += float(area[close].sum())
    return within / total


def _surface(
    mask: NDArray[np.bool_], spacing_mm: Spacing
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Corners between eight voxels where the surface passes ``(N, 3)``, and its area there, mm²."""
    values = mask.view(np.uint8)
    code = np.zeros([n - 1 for n in mask.shape], dtype=np.uint8)
    for bit, corner in enumerate(product((0, 1), repeat=3)):
        part = values[tuple(slice(c, n - 1 + c) for c, n in zip(corner, mask.shape, strict=True))]
        code |= part << np.uint8(bit)
    passes = (code != 0) & (code != 255)
    return voxels(passes), _triangle_areas(spacing_mm)[code[passes]]


@cache
def _triangle_areas(spacing_mm: Spacing) -> NDArray[np.float64]:
    """Area in mm² that marching cubes puts between eight voxels, for each of the 256 patterns.

    Bit ``4z + 2y + x`` of the pattern is the voxel (z, y, x) of the eight. A pattern and its
    complement share a surface: the one with fewer voxels is triangulated.
    """
    from skimage.measure import marching_cubes, mesh_surface_area

    areas = np.zeros(256)
    for pattern in range(1, 255):
        fewer = pattern if pattern.bit_count() <= 4 else 255 - pattern
        cube = np.array([fewer >> bit & 1 for bit in range(8)], np.float32).reshape(2, 2, 2)
        corners, faces, _, _ = marching_cubes(cube, 0.5, spacing=spacing_mm, method="lorensen")
        areas[pattern] = mesh_surface_area(corners, faces)
    return areas
