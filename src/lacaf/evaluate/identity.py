"""Artery or vein, left or right: what the vessels that were found are called."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lacaf.coverage import SIDES, VESSELS, Coverage, class_value
from lacaf.evaluate.tree import Centreline

Identity = dict[str, float | None]


def identity(
    prediction: NDArray[np.uint8], trees: Mapping[str, Centreline], coverage: Coverage
) -> dict[str, Identity]:
    """Identity along the reference's centreline, for left, right and both lungs.

    Args:
        prediction: ``(Z, Y, X)`` 0 to 4.
        trees: centreline of each reference class, in indices of ``prediction``.
        coverage: state of each class; classes that are unknown have no say.

    Returns:
        For ``left``, ``right``, ``both``, by length of the reference's centreline:
        reference_artery_mm, reference_vein_mm: its length.
        found_share: how much of it was predicted as any vessel.
        accuracy: of the found, how much has the right vessel type (on either side). Nothing
            found: 0, a miss costs. None where only one of the two types is known.
        side_accuracy: of the found, how much has the right side of the patient.
        artery_as_vein, vein_as_artery: how much of the whole artery (vein) was called the other.
        always_artery: the accuracy of calling all that was found artery; majority: of calling
            it what most of it is. Of the whole centreline where nothing was found.
        None stands where the reference has no answer.
    """
    sides = {side: _tally(prediction, trees, coverage, (side,)) for side in SIDES}
    return {**sides, "both": _tally(prediction, trees, coverage, SIDES)}


def _tally(
    prediction: NDArray[np.uint8],
    trees: Mapping[str, Centreline],
    coverage: Coverage,
    sides: tuple[str, ...],
) -> Identity:
    known = {s: [v for v in VESSELS if coverage[f"{s}_{v}"] != "unknown"] for s in sides}
    pieces = [
        _Piece(prediction, trees[f"{side}_{vessel}"], vessel, side)
        for side in sides
        for vessel in known[side]
    ]
    # A side with one vessel type known would make "always artery" perfect: no word on accuracy.
    complete = [p for p in pieces if len(known[p.side]) == len(VESSELS)]
    found = sum(p.found for p in complete)
    artery = sum((p.found or 0) for p in complete if p.vessel == "artery")
    if not found:
        artery = sum(p.length for p in complete if p.vessel == "artery")
    base = _share(artery, found or sum(p.length for p in complete))
    return {
        **{f"reference_{v}_mm": _length(pieces, v) for v in VESSELS},
        "found_share": _share(sum(p.found for p in pieces), sum(p.length for p in pieces)),
        "accuracy": _accuracy([(p.right_type, p.found, p.length) for p in complete]),
        "side_accuracy": _accuracy([(p.right_side, p.found, p.length) for p in pieces]),
        "artery_as_vein": _confused(pieces, "artery"),
        "vein_as_artery": _confused(pieces, "vein"),
        "always_artery": base,
        "majority": None if base is None else max(base, 1 - base),
    }


class _Piece:
    """Lengths in mm of one reference class: whole, found, found with the right name."""

    def __init__(
        self, prediction: NDArray[np.uint8], tree: Centreline, vessel: str, side: str
    ) -> None:
        self.vessel, self.side = vessel, side
        said = prediction[tuple(tree.points.T)]
        same_type = [class_value(vessel, s) for s in SIDES]
        same_side = [class_value(v, side) for v in VESSELS]
        self.length = float(tree.length_mm.sum())
        self.found = float(tree.length_mm[said > 0].sum())
        self.right_type = float(tree.length_mm[np.isin(said, same_type)].sum())
        self.right_side = float(tree.length_mm[np.isin(said, same_side)].sum())


def _length(pieces: list[_Piece], vessel: str) -> float | None:
    lengths = [p.length for p in pieces if p.vessel == vessel]
    return sum(lengths) if lengths else None


def _confused(pieces: list[_Piece], vessel: str) -> float | None:
    own = [p for p in pieces if p.vessel == vessel]
    return _share(sum(p.found - p.right_type for p in own), sum(p.length for p in own))


def _accuracy(parts: list[tuple[float, float, float]]) -> float | None:
    """Of parts (right, found, whole): the share of what was found that is right."""
    right, found, whole = (
        (sum(column) for column in zip(*parts, strict=True)) if parts else (0,) * 3
    )
    if not whole:
        return None
    return right / found if found else 0.0


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
