"""The turnable trees of a case, packed so that a browser draws them offline.

Numbers travel as differences, see ``packing.py``: a dozen bytes a vertex. ``trees.js`` is the
other half of this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import BY_NAME, CLASSES
from lacaf.report.errors import Wrong
from lacaf.report.packing import pack
from lacaf.report.surface import MESH_MM, MOST_FACES, Mesh, Trees, Vessels, drawing_grid, trees
from lacaf.volume import Volume

#: A vertex is kept to this, mm.
STEP_MM = 0.2
#: Kept free around what is in view, mm.
FRAME_MARGIN_MM = 6.0


@dataclass(frozen=True)
class Scene:
    """The trees of a case, for the browser and for still pictures.

    Attributes:
        packed: what ``trees.js`` reads.
        trees: surfaces by key of the label volume.
        missed: for each prediction, the parts of the reference's surfaces that it has not found.
        frame_mm: ``(2, 3)`` lowest and highest corner of what should be in view.
    """

    packed: dict[str, Any]
    trees: dict[str, list[Mesh]]
    missed: dict[str, list[Mesh]]
    frame_mm: NDArray[np.float64]


def build(
    labels: Mapping[str, Volume], reference: str | None, coverage: Mapping[str, str]
) -> Scene | None:
    """The scene of one case; None if no volume holds a vessel.

    Args:
        labels: label volumes by key: the reference, if there is one, and each run's prediction.
        reference: key of the reference in ``labels``.
        coverage: state of each class of the reference.
    """
    drawn, meshes = _surfaces(labels)
    if not drawn:
        return None
    missed: dict[str, list[Mesh]] = {}
    if reference is not None:
        near = _Near(drawn[reference])
        for key in meshes:
            if key != reference:
                found = _Near(drawn[key])
                meshes[key] = [_flagged(mesh, near, coverage) for mesh in meshes[key]]
                missed[key] = [_missed(mesh, found) for mesh in meshes[reference]]
    frame = _frame(meshes[reference] if reference is not None else [], meshes)
    centre = frame.mean(axis=0)
    packed = {
        "step_mm": STEP_MM,
        "centre_mm": [round(float(v), 2) for v in centre],
        "size_mm": [round(float(v), 1) for v in frame[1] - frame[0]],
        "grid_mm": round(float(max(next(iter(drawn.values())).grid.spacing_mm)), 2),
        "sets": {
            key: [_packed(mesh, centre) for mesh in part]
            + [
                _packed(mesh, centre) | {"missed": True}
                for mesh in missed.get(key, [])
                if len(mesh.faces)
            ]
            for key, part in meshes.items()
        },
    }
    return Scene(packed, meshes, missed, frame)


def _surfaces(labels: Mapping[str, Volume]) -> tuple[dict[str, Trees], dict[str, list[Mesh]]]:
    """Trees and surfaces on one grid, coarse enough for a page; empty without any vessel."""
    spacing = MESH_MM
    vessels = {key: Vessels.of(part) for key, part in labels.items()}
    while True:
        grid = drawing_grid(vessels.values(), spacing)
        if grid is None:
            return {}, {}
        drawn = {key: trees(part, grid) for key, part in vessels.items()}
        meshes = {key: part.meshes() for key, part in drawn.items()}
        if max(sum(len(m.faces) for m in part) for part in meshes.values()) <= MOST_FACES:
            return drawn, meshes
        spacing = float(max(grid.spacing_mm)) * 1.2


class _Near:
    """Which classes lie within a voxel of the drawing of a point."""

    def __init__(self, part: Trees) -> None:
        from scipy import ndimage

        block = np.ones((3, 3, 3), bool)
        self._grid = part.grid
        self._masks = {
            name: ndimage.binary_dilation(mask, block) for name, mask in part.occupied.items()
        }
        self._unknown = part.unknown

    def __call__(self, name: str, vertices_mm: NDArray) -> NDArray[np.bool_]:
        return self._at(self._masks[name], vertices_mm)

    def unknown(self, vertices_mm: NDArray) -> NDArray[np.bool_]:
        """Whether the labels say nothing at a point."""
        return self._at(self._unknown, vertices_mm)

    def _at(self, mask: NDArray[np.bool_], vertices_mm: NDArray) -> NDArray[np.bool_]:
        index = np.rint(self._grid.to_index(vertices_mm)).astype(int)
        index = np.clip(index, 0, np.array(self._grid.shape) - 1)
        return mask[tuple(index.T)]


def _flagged(mesh: Mesh, near: _Near, coverage: Mapping[str, str]) -> Mesh:
    """A predicted surface with what is wrong at each vertex."""
    judged = coverage[mesh.name] != "unknown"
    flags = np.full(len(mesh.vertices_mm), Wrong.FALSE if judged else Wrong.NOT_KNOWN, np.uint8)
    flags[near.unknown(mesh.vertices_mm)] = Wrong.NOT_KNOWN
    vessel = BY_NAME[mesh.name].vessel
    of_vessel = [name for name in CLASSES if BY_NAME[name].vessel == vessel]
    for other in (name for name in CLASSES if name not in of_vessel):
        flags[near(other, mesh.vertices_mm)] = Wrong.VESSEL
    for other in of_vessel:
        flags[near(other, mesh.vertices_mm)] = Wrong.SIDE
    flags[near(mesh.name, mesh.vertices_mm)] = Wrong.NOTHING
    return replace(mesh, flags=flags)


def _missed(mesh: Mesh, found: _Near) -> Mesh:
    """The part of a reference's surface where a prediction has no vessel of any class."""
    anything = np.any([found(name, mesh.vertices_mm) for name in CLASSES], axis=0)
    part = mesh.part(~anything)
    return replace(part, flags=np.full(len(part.vertices_mm), Wrong.MISSED, np.uint8))


def _frame(wanted: list[Mesh], meshes: Mapping[str, list[Mesh]]) -> NDArray[np.float64]:
    """The box in view: the reference's; without one, most of what was predicted.

    Specks that a prediction strews over the image must not make everything else small.
    """
    outer = (0.0, 100.0) if wanted else (0.5, 99.5)
    chosen = wanted or [mesh for part in meshes.values() for mesh in part]
    points = np.concatenate([mesh.vertices_mm for mesh in chosen]).astype(float)
    low, high = np.percentile(points, outer, axis=0)
    return np.array([low - FRAME_MARGIN_MM, high + FRAME_MARGIN_MM])


def _packed(mesh: Mesh, centre: NDArray) -> dict[str, Any]:
    """A mesh as text. Axes become x left, y up (head), z towards the viewer (front)."""
    order, codes = _by_first_use(mesh.faces)
    lps = np.rint((mesh.vertices_mm[order] - centre) / STEP_MM).astype(np.int64)
    seen = np.stack([lps[:, 0], lps[:, 2], -lps[:, 1]]).ravel()
    return {
        "class": mesh.name,
        "vertices": len(order),
        "position": pack(np.diff(seen, prepend=0), np.uint16),
        "index": pack(codes, np.uint32),
        "flag": pack(mesh.flags[order], np.uint8),
    }


def _by_first_use(faces: NDArray) -> tuple[NDArray, NDArray]:
    """Vertices in the order in which faces use them, and faces as small numbers.

    A code says how far an index lies below the first one that was not used yet: 0 is a new
    vertex, 1 the last new one. Faces of a surface use recent vertices, so codes are small.
    """
    flat = faces.ravel().astype(np.int64)
    used, first = np.unique(flat, return_index=True)
    order = used[np.argsort(first)]
    number = np.zeros(int(flat.max(initial=-1)) + 1, np.int64)
    number[order] = np.arange(len(order))
    renumbered = number[flat]
    unused = np.maximum.accumulate(np.concatenate([[-1], renumbered]))[:-1] + 1
    return order, unused - renumbered
