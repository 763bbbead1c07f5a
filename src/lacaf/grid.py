"""Grids: where the voxels of an array lie in the patient.

One convention holds inside the whole package, ITK's: world coordinates are LPS millimetres
(x grows towards the patient's Left, y towards the back (Posterior), z towards the head
(Superior)); arrays are indexed ``[z, y, x]``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: NIfTI's coordinates to ours, and back.
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

#: Two grids are the same when their corners lie closer together than this fraction of a voxel.
SAME_GRID_TOLERANCE_VOX = 0.01


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of an array lie in the patient.

    Attributes:
        shape: number of voxels ``(Z, Y, X)``.
        affine: 4x4 matrix, voxel index ``(x, y, z)`` (last array axis first) to LPS mm.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @classmethod
    def upright(
        cls,
        shape: tuple[int, int, int],
        spacing_mm: float | tuple[float, float, float],
        origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> Grid:
        """A grid along the patient's axes; spacing and origin in the order x, y, z."""
        affine = np.eye(4)
        affine[:3, :3] = np.diag(np.broadcast_to(np.asarray(spacing_mm, float), 3))
        affine[:3, 3] = origin_mm
        return cls(shape, affine)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxels along array axes ``(z, y, x)``, mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(z), float(y), float(x)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def to_mm(self, index_zyx: NDArray) -> NDArray[np.float64]:
        """LPS positions ``(..., 3)`` of voxel indices ``(..., 3)`` in array order."""
        return np.asarray(index_zyx)[..., ::-1] @ self.affine[:3, :3].T + self.affine[:3, 3]

    def to_index(self, points_mm: NDArray) -> NDArray[np.float64]:
        """Fractional voxel indices ``(..., 3)``, array order, of LPS positions ``(..., 3)``."""
        inverse = np.linalg.inv(self.affine)
        return (np.asarray(points_mm) @ inverse[:3, :3].T + inverse[:3, 3])[..., ::-1]

    def corners_mm(self) -> NDArray[np.float64]:
        """LPS positions ``(8, 3)`` of the centres of the corner voxels."""
        ends = [(0, n - 1) for n in self.shape]
        return self.to_mm(np.array(np.meshgrid(*ends, indexing="ij")).reshape(3, -1).T)

    def same_as(self, other: Grid) -> bool:
        """Whether both grids put every voxel in the same place (within a named tolerance)."""
        if self.shape != other.shape:
            return False
        distance = np.abs(self.corners_mm() - other.corners_mm()).max()
        return bool(distance <= SAME_GRID_TOLERANCE_VOX * min(self.spacing_mm))
