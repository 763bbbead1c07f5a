"""How far the surfaces lie apart: NSD, HD95 and ASSD, in millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lacaf.evaluate.distance import edge_voxels, nearest_mm
from lacaf.evaluate.masks import Masks, Spacing

#: A distance that equals the tolerance counts as within it, whatever the rounding.
ROUNDING_MM = 1e-5


def surface(masks: Masks, tolerances_mm: Sequence[float], diagonal_mm: float) -> dict[str, float]:
    """NSD at each tolerance, HD95 and ASSD of a subject whose reference is known.

    Both empty: NSD 1, distances 0. One of them empty: NSD 0, distances the image's diagonal.
    """
    names = [nsd_name(tolerance) for tolerance in tolerances_mm]
    predicted, present = bool(masks.prediction.any()), bool(masks.reference.any())
    if not (predicted and present):
        same = predicted == present
        far = 0.0 if same else diagonal_mm
        return dict.fromkeys(names, float(same)) | {"hd95_mm": far, "assd_mm": far}
    shares = nsd(masks, tolerances_mm)
    return dict(zip(names, shares, strict=True)) | edge_distances(masks)


def nsd_name(tolerance_mm: float) -> str:
    """The key of NSD at a tolerance: ``nsd_1mm``."""
    return f"nsd_{tolerance_mm:g}mm"


def edge_distances(masks: Masks) -> dict[str, float]:
    """HD95 and ASSD between the edge voxels of two masks that are not empty.

    For each edge voxel of one mask the distance to the nearest edge voxel of the other; an edge
    voxel has a face neighbour outside its mask. HD95 is the larger of the two directed 95th
    percentiles (linear interpolation), as MONAI's HausdorffDistanceMetric(percentile=95); ASSD
    the mean over the edge voxels of both, as MONAI's SurfaceDistanceMetric(symmetric=True).
    """
    edges = [edge_voxels(mask) for mask in (masks.prediction, masks.reference)]
    directed = [nearest_mm(here, there, masks.spacing_mm) for here, there in (edges, edges[::-1])]
    return {
        "hd95_mm": float(max(np.percentile(distances, 95) for distances in directed)),
        "assd_mm": float(np.concatenate(directed).mean(dtype=np.float64)),
    }


def nsd(masks: Masks, tolerances_mm: Sequence[float]) -> list[float]:
    """Normalized surface distance of two masks of which at least one is not empty.

    The share of both surfaces' area that lies within the tolerance of the other surface
    (Nikolov et al. 2018, arXiv 1809.04430). Subvoxel convention: the surface is cut by the
    marching cubes' triangles at the corners between eight voxels. As MONAI's
    compute_surface_dice(use_subvoxels=True).
    """
    areas = _triangle_areas(masks.spacing_mm)
    surfaces = [(corners, areas[codes]) for corners, codes in masks.boundaries]
    limits = np.array(tolerances_mm) + ROUNDING_MM
    within = np.zeros(len(limits))
    total = 0.0
    for (here, area), (there, _) in (surfaces, surfaces[::-1]):
        total += float(area.sum())
        if len(here) and len(there):
            distance = nearest_mm(here, there, masks.spacing_mm, limits.max() * 1.01)
            within += [area[distance <= limit].sum() for limit in limits]
    return (within / total).tolist()


@cache
def _triangle_areas(spacing_mm: Spacing) -> NDArray[np.float64]:
    """Area in mm² that marching cubes puts between eight voxels, for each of the 256 patterns.

    A pattern and its complement share a surface: the one with fewer voxels is triangulated.
    """
    from skimage.measure import marching_cubes, mesh_surface_area

    areas = np.zeros(256)
    for pattern in range(1, 255):
        fewer = pattern if pattern.bit_count() <= 4 else 255 - pattern
        cube = np.array([fewer >> bit & 1 for bit in range(8)], np.float32).reshape(2, 2, 2)
        corners, faces, _, _ = marching_cubes(cube, 0.5, spacing=spacing_mm, method="lorensen")
        areas[pattern] = mesh_surface_area(corners, faces)
    return areas
