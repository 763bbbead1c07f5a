"""Surfaces of vessel trees: small enough to travel inside a page.

Marching cubes are scikit-image's; the smoothing is a dozen lines of sparse algebra here, for which
trimesh would be a dependency of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import TABLE, UNKNOWN
from lacaf.grid import Grid
from lacaf.volume import Volume, resample

#: No finer than this: a page must stay small. Voxels of the CT that are larger are kept.
MESH_MM = 1.5
#: More faces than this in the trees of a label volume are drawn on a coarser grid.
MOST_FACES = 160_000
#: Weights of Taubin's smoothing (Curve and surface smoothing without shrinkage, ICCV 1995):
#: one step in, one slightly larger step out, so that thin vessels do not vanish.
TAUBIN = (0.5, -0.53)
SMOOTHING_ROUNDS = 6


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface of one class.

    Attributes:
        name: the class.
        vertices_mm: ``(N, 3)`` LPS.
        faces: ``(M, 3)`` indices of vertices.
        flags: ``(N,)`` what is wrong there: codes of :class:`lacaf.report.errors.Wrong`.
    """

    name: str
    vertices_mm: NDArray[np.float32]
    faces: NDArray[np.int32]
    flags: NDArray[np.uint8]

    def part(self, kept: NDArray[np.bool_]) -> Mesh:
        """The faces all of whose vertices are kept ``(N,)``."""
        faces = self.faces[kept[self.faces].all(axis=1)]
        used, renumbered = np.unique(faces, return_inverse=True)
        corners: NDArray[np.int32] = renumbered.reshape(-1, 3).astype(np.int32)
        return Mesh(self.name, self.vertices_mm[used], corners, self.flags[used])


@dataclass(frozen=True, eq=False)
class Trees:
    """The trees of one label volume, one a class, on a grid for drawing.

    Attributes:
        grid: upright.
        occupied: class to ``(Z, Y, X)`` bool; a voxel counts if any label voxel lies in it, so
            that thin vessels stay whole (and look up to a voxel wider than they are).
        unknown: where the labels say nothing.
    """

    grid: Grid
    occupied: dict[str, NDArray[np.bool_]]
    unknown: NDArray[np.bool_]

    def meshes(self) -> list[Mesh]:
        """One smooth surface for each class that occurs."""
        return [
            surface(name, Volume(mask, self.grid))
            for name, mask in self.occupied.items()
            if mask.any()
        ]


@dataclass(frozen=True, eq=False)
class Vessels:
    """The voxels of a label volume that are vessel, found once for every grid they are drawn on.

    Attributes:
        points_mm: ``(N, 3)`` LPS.
        values: ``(N,)`` label values of classes.
        voxel_mm: size of a voxel along the patient's axes x, y, z.
        unknown: where the labels say nothing, as a volume of 0 and 1; None if they never do.
    """

    points_mm: NDArray[np.float64]
    values: NDArray[np.uint8]
    voxel_mm: NDArray[np.float64]
    unknown: Volume | None

    @classmethod
    def of(cls, labels: Volume) -> Vessels:
        """The vessels of a label volume (0 background, 255 unknown)."""
        index = np.argwhere((labels.array > 0) & (labels.array != UNKNOWN))
        unknown = labels.array == UNKNOWN
        return cls(
            labels.grid.to_mm(index),
            labels.array[tuple(index.T)],
            np.abs(labels.grid.affine[:3, :3]).sum(axis=1),
            Volume(unknown, labels.grid) if unknown.any() else None,
        )


def drawing_grid(parts: Iterable[Vessels], spacing_mm: float = MESH_MM) -> Grid | None:
    """One upright grid for all label volumes of a case; None if no vessel is in any of them."""
    found = [part for part in parts if len(part.values)]
    if not found:
        return None
    step = np.maximum(spacing_mm, np.max([part.voxel_mm for part in found], axis=0))
    low = np.min([part.points_mm.min(axis=0) for part in found], axis=0) - 3 * step
    high = np.max([part.points_mm.max(axis=0) for part in found], axis=0) + 3 * step
    shape = np.ceil((high - low) / step).astype(int) + 1
    return Grid.upright(
        (int(shape[2]), int(shape[1]), int(shape[0])),
        (float(step[0]), float(step[1]), float(step[2])),
        (float(low[0]), float(low[1]), float(low[2])),
    )


def trees(part: Vessels, grid: Grid) -> Trees:
    """The trees of a label volume on a grid for drawing."""
    placed = np.rint(grid.to_index(part.points_mm)).astype(int)
    inside = ((placed >= 0) & (placed < grid.shape)).all(axis=1)
    occupied = {}
    for row in TABLE:
        occupied[row.name] = np.zeros(grid.shape, bool)
        occupied[row.name][tuple(placed[inside & (part.values == row.value)].T)] = True
    unknown = np.zeros(grid.shape, bool)
    if part.unknown is not None:
        unknown = resample(part.unknown, grid, "nearest").array
    return Trees(grid, occupied, unknown)


def surface(name: str, mask: Volume) -> Mesh:
    """The smoothed surface of a mask (marching cubes, then Taubin's filter), normals outward."""
    from skimage.measure import marching_cubes

    index = np.argwhere(mask.array)
    low = np.maximum(index.min(axis=0) - 1, 0)
    high = index.max(axis=0) + 2
    part = np.pad(mask.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], 1)
    vertices, faces, _, _ = marching_cubes(part.astype(np.float32), 0.5, allow_degenerate=False)
    placed = mask.grid.to_mm(_smooth(vertices, faces) + low - 1)
    if _signed_volume(placed, faces) < 0:
        faces = faces[:, ::-1]
    flags = np.zeros(len(placed), np.uint8)
    return Mesh(name, placed.astype(np.float32), faces.astype(np.int32), flags)


def _signed_volume(vertices: NDArray, faces: NDArray) -> float:
    """Volume inside a closed surface, negative if its normals point inward."""
    a, b, c = (vertices[faces[:, i]] - vertices[0] for i in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6


def _smooth(vertices: NDArray, faces: NDArray) -> NDArray[np.float64]:
    from scipy import sparse

    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ends = np.concatenate([ends, ends[:, ::-1]])
    count = len(vertices)
    links = sparse.csr_matrix((np.ones(len(ends)), ends.T), shape=(count, count))
    links.data[:] = 1
    mean = sparse.diags(1 / np.maximum(np.asarray(links.sum(axis=1)).ravel(), 1)) @ links
    moved = vertices.astype(np.float64)
    for _ in range(SMOOTHING_ROUNDS):
        for weight in TAUBIN:
            moved = moved + weight * (mean @ moved - moved)
    return moved
