"""The worst errors of a prediction, each with a place to look at.

A guide for the eye, on the page's grid; the scores are those of stage evaluate. A voxel counts as
an error only if nothing right lies within :data:`TOLERANCE_MM`, so that a surface that is a voxel
off is no error, and a branch is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import BY_NAME, CLASSES, SIDES, TABLE, UNKNOWN
from lacaf.coverage import distance_mm
from lacaf.grid import Grid
from lacaf.report.errors import SIDE_OF, VESSEL_OF
from lacaf.report.palette import CLASS_NAME
from lacaf.volume import Volume, resample

#: Nothing right within this, or 1.5 voxels if they are larger.
TOLERANCE_MM = 2.0
#: Shorter ones are not listed.
LEAST_MM = 8.0
#: So many of each kind are listed; so many candidates, by size, are measured.
MOST, MEASURED = 8, 30
#: A vessel is looked at so far around a piece, to tell how wide it is.
WIDEST_VOX = 12
#: A piece of more voxels than this is thinned out before its length is measured.
MOST_NODES = 6000


@dataclass(frozen=True)
class Mistake:
    """One connected error.

    Attributes:
        kind: vessel, side, missed or false, as in :data:`lacaf.report.errors.ERRORS`.
        name: class of the reference; of the prediction for a false vessel.
        length_mm: of its longest path.
        width_mm: of the vessel there, where it is widest.
        at: voxel ``(z, y, x)`` in the middle of it.
        place: where that is in the lungs, in words.
        called: class that most of it was taken for, where a vessel or a side is confused.
    """

    kind: str
    name: str
    length_mm: float
    width_mm: float
    at: tuple[int, int, int]
    place: str
    called: str = ""

    def sentence(self) -> str:
        """What is wrong, in words."""
        vessel = CLASS_NAME[self.name]
        if self.called:
            taken = BY_NAME[self.called]
            word = taken.vessel if self.kind == "vessel" else taken.side or "of no side"
            told = f"{vessel} called {word}"
        else:
            told = f"{vessel} missed" if self.kind == "missed" else f"false {vessel}"
        return f"{told[0].upper()}{told[1:]}"

    def packed(self) -> dict[str, Any]:
        """For the page and the case's record."""
        return {
            "kind": self.kind,
            "class": self.name,
            "text": self.sentence(),
            "length_mm": round(self.length_mm, 1),
            "width_mm": round(self.width_mm, 1),
            "place": self.place,
            "at": list(self.at),
        }


def mistakes(
    prediction: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    coverage: Mapping[str, str],
    grid: Grid,
    lungs: Volume | None,
) -> list[Mistake]:
    """The longest errors of each kind, longest first.

    Args:
        prediction: ``(Z, Y, X)`` label values.
        reference: same shape, 255 unknown.
        coverage: state of each class of the reference.
        grid: of both.
        lungs: 0, 1 left, 2 right; for the place in words.
    """
    where = _Where(lungs, grid)
    found: list[Mistake] = []
    per_kind: dict[str, list[Mistake]] = {}
    for kind, name, wrong, vessel in _wrong(prediction, reference, coverage, grid):
        for piece in _pieces(wrong):
            length, middle = _longest_path(piece, grid)
            if length >= LEAST_MM:
                at = (int(middle[0]), int(middle[1]), int(middle[2]))
                width = _widest_mm(piece, vessel, grid)
                called = _called(prediction, piece) if kind in ("vessel", "side") else ""
                per_kind.setdefault(kind, []).append(
                    Mistake(kind, name, length, width, at, where(middle), called)
                )
    for group in per_kind.values():
        found += sorted(group, key=lambda m: -m.length_mm)[:MOST]
    return sorted(found, key=lambda m: -m.length_mm)


def tolerance_mm(grid: Grid) -> float:
    """How near something right must lie for a voxel to be no error."""
    return max(TOLERANCE_MM, 1.5 * max(grid.spacing_mm))


def _wrong(
    prediction: NDArray, reference: NDArray, coverage: Mapping[str, str], grid: Grid
) -> Iterator[tuple[str, str, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Kind, class, where it is wrong, and the vessel that the error belongs to."""
    far = tolerance_mm(grid)
    named = (reference > 0) & (reference != UNKNOWN)
    found = prediction > 0
    near_found = distance_mm(found, grid) <= far
    near_named = distance_mm(named, grid) <= far
    vessels, sides = VESSEL_OF[prediction], SIDE_OF[prediction]
    near_vessel = _near_each(vessels, VESSEL_OF, grid, far)
    near_side = _near_each(sides, SIDE_OF, grid, far)
    for row in TABLE:
        own = reference == row.value
        other = found & (vessels != VESSEL_OF[row.value])
        yield "missed", row.name, own & ~near_found, own
        yield "vessel", row.name, own & other & ~near_vessel[VESSEL_OF[row.value]], own
        of_other_side = own & found & ~other & ~near_side[SIDE_OF[row.value]]
        yield "side", row.name, of_other_side, own
        if coverage[row.name] != "unknown":
            false = prediction == row.value
            yield "false", row.name, false & (reference == 0) & ~near_named, false


def _near_each(
    of: NDArray[np.uint8], lookup: NDArray[np.uint8], grid: Grid, far: float
) -> dict[int, NDArray[np.bool_]]:
    """By each vessel (or side) of the table: where something predicted of it lies near."""
    numbers = sorted({int(lookup[row.value]) for row in TABLE})
    return {number: distance_mm(of == number, grid) <= far for number in numbers}


def _called(prediction: NDArray[np.uint8], piece: NDArray) -> str:
    """The class that most voxels ``(N, 3)`` of a piece were taken for."""
    return CLASSES[int(np.bincount(prediction[tuple(piece.T)]).argmax()) - 1]


def _pieces(wrong: NDArray[np.bool_]) -> Iterator[NDArray[np.intp]]:
    """Voxels ``(N, 3)`` of the largest connected pieces; gaps of two voxels are bridged."""
    from scipy import ndimage

    if not wrong.any():
        return
    index = np.argwhere(wrong)
    low, high = np.maximum(index.min(axis=0) - 1, 0), index.max(axis=0) + 2
    part = wrong[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    block = np.ones((3, 3, 3), bool)
    pieces, count = ndimage.label(ndimage.binary_dilation(part, block), block)
    pieces[~part] = 0
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    boxes = ndimage.find_objects(pieces)
    for number in np.argsort(-sizes, kind="stable")[:MEASURED]:
        box = boxes[number]
        if box is not None:
            corner = np.array([edge.start for edge in box])
            yield np.argwhere(pieces[box] == number + 1) + corner + low


def _longest_path(piece: NDArray, grid: Grid) -> tuple[float, NDArray]:
    """Length (mm) of a piece from end to end inside it, and its voxel in the middle.

    From any voxel to the farthest one, and from there to the farthest again: exact on a tree.
    """
    from scipy.sparse.csgraph import dijkstra

    step = 1 + len(piece) // MOST_NODES
    nodes = piece[::step]
    links = _links(nodes, grid, 2.0 * step ** (1 / 3))
    start = dijkstra(links, indices=0)
    first = int(np.where(np.isfinite(start), start, -1).argmax())
    there = dijkstra(links, indices=first)
    last = int(np.where(np.isfinite(there), there, -1).argmax())
    back = dijkstra(links, indices=last)
    middle = int(np.maximum(there, back).argmin())
    return float(there[last]), nodes[middle]


def _widest_mm(piece: NDArray, vessel: NDArray[np.bool_], grid: Grid) -> float:
    """Diameter of the vessel at a piece ``(N, 3)``, where it is widest."""
    low = np.maximum(piece.min(axis=0) - WIDEST_VOX, 0)
    box = tuple(slice(a, b) for a, b in zip(low, piece.max(axis=0) + WIDEST_VOX + 1, strict=True))
    part = np.pad(vessel[box], 1)
    depth = distance_mm(~part, grid)[tuple((piece - low + 1).T)]
    return max(0.0, 2 * float(depth.max()) - min(grid.spacing_mm))


def _links(nodes: NDArray, grid: Grid, reach_vox: float) -> Any:
    """Graph of voxels that lie within a few voxels of one another, weighted in mm."""
    from scipy import sparse
    from scipy.spatial import cKDTree

    pairs = cKDTree(nodes).query_pairs(reach_vox * np.sqrt(3) + 1e-6, output_type="ndarray")
    spacing = np.array(grid.spacing_mm)
    length = np.linalg.norm((nodes[pairs[:, 0]] - nodes[pairs[:, 1]]) * spacing, axis=1)
    both = np.concatenate([pairs, pairs[:, ::-1]]).T
    weights = np.concatenate([length, length])
    return sparse.csr_matrix((weights, both), shape=(len(nodes), len(nodes)))


class _Where:
    """Says in words where a voxel lies in the lungs."""

    def __init__(self, lungs: Volume | None, grid: Grid) -> None:
        self._lungs = None if lungs is None else resample(lungs, grid, "nearest").array
        self._levels: dict[int, tuple[int, int]] = {}
        for value in (1, 2):
            if self._lungs is not None and (self._lungs == value).any():
                rows = np.flatnonzero((self._lungs == value).any(axis=(1, 2)))
                self._levels[value] = int(rows[0]), int(rows[-1]) + 1

    def __call__(self, voxel: NDArray) -> str:
        if self._lungs is None:
            return ""
        value = int(self._lungs[tuple(voxel)])
        if value == 0:
            near = tuple(slice(max(0, v - 2), v + 3) for v in voxel)
            values = self._lungs[near][self._lungs[near] > 0]
            value = int(np.bincount(values).argmax()) if len(values) else 0
        if value not in self._levels:
            return "outside the lungs"
        low, high = self._levels[value]
        third = min(2, max(0, int(3 * (voxel[0] - low) / (high - low))))
        return f"{SIDES[value - 1]} lung, {('lower', 'middle', 'upper')[third]} third"
