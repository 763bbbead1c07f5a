"""How much of a tree is detected: length, branches, by calibre and generation; clDice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf.evaluate.branches import DETACHED
from lacaf.evaluate.centreline import Centreline

#: A branch is detected if at least this fraction of its length is (as in ATM'22, Zhang et al.
#: 2023).
DETECTED = 0.8

#: A predicted branch is false, and a branch flips its name, if this fraction of its length does. It
#: begins and ends inside vessels that may be right, so that the whole of it rarely is wrong.
MOST = 0.5

#: Generations from here on are counted together.
MOST_GENERATIONS = 10

#: Added before shares are compared with one of these, against rounding.
ROUNDING = 1e-9


def tree(
    reference: Centreline,
    found: NDArray[np.bool_],
    predicted: Centreline,
    right: NDArray[np.bool_],
    calibre_edges_mm: Sequence[float],
) -> dict[str, Any]:
    """What is found of a tree whose reference is known, and what is false.

    Args:
        reference: the reference's centreline.
        found: ``(N,)`` which of its voxels lie in the prediction.
        predicted: the prediction's centreline.
        right: ``(M,)`` which of its voxels lie in the reference.
        calibre_edges_mm: radii at which one calibre band ends and the next begins.

    Returns:
        cldice, lengths in mm, shares detected, numbers of branches, false branches, and the same
        by calibre and by generation; see docs/metrics.md. A share of nothing is None.
    """
    whole = branches_with(reference, found, DETECTED)
    false = branches_with(predicted, ~right, MOST)
    of_branches = _lengths(predicted)
    return {
        "cldice": cldice(reference, found, predicted, right),
        "prediction_tree_mm": float(predicted.length_mm.sum()),
        "prediction_branches": len(false),
        "false_branches": int(false.sum()),
        "false_branches_mm": float(of_branches[false].sum()),
        **_part(reference, found, whole, np.ones(len(found), bool), np.ones(len(whole), bool)),
        "by_calibre": {
            name: _part(reference, found, whole, voxels, of)
            for name, voxels, of in bands(reference, calibre_edges_mm)
        },
        "by_generation": {
            name: _part(reference, found, whole, of[reference.branch], of)
            for name, of in _generations(reference)
        },
    }


def cldice(
    reference: Centreline,
    found: NDArray[np.bool_],
    predicted: Centreline,
    right: NDArray[np.bool_],
) -> float:
    """Centreline Dice (Shit et al., CVPR 2021, eq. 3), by length in mm instead of voxel counts.

    The harmonic mean of the fraction of the predicted centreline inside the reference mask and of
    the reference centreline inside the predicted mask. Both empty: 1. One empty: 0.
    """
    if not (len(found) and len(right)):
        return float(len(found) == len(right))
    sensitivity, precision = share(reference.length_mm, found), share(predicted.length_mm, right)
    total = (precision or 0) + (sensitivity or 0)
    return 2 * (precision or 0) * (sensitivity or 0) / total if total else 0.0


def share(length_mm: NDArray[np.float64], some: NDArray[np.bool_]) -> float | None:
    """The share of a length that some of its voxels make; None of nothing."""
    whole = float(length_mm.sum())
    return float(length_mm[some].sum()) / whole if whole else None


def branches_with(line: Centreline, some: NDArray[np.bool_], least: float) -> NDArray[np.bool_]:
    """``(B,)``: the branches of which some voxels make at least this fraction of the length."""
    part = np.bincount(line.branch, line.length_mm * some, len(line.generation))
    return part >= (least - ROUNDING) * _lengths(line)


def bands(
    line: Centreline, edges_mm: Sequence[float]
) -> list[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]]:
    """The calibre bands: name, the voxels in it, the branches whose mean radius lies in it."""
    own = np.digitize(line.radius_mm, edges_mm)
    radius_mm = np.bincount(line.branch, line.radius_mm * line.length_mm, len(line.generation))
    of_branch = np.digitize(radius_mm / _lengths(line), edges_mm)
    return [(name, own == i, of_branch == i) for i, name in enumerate(band_names(edges_mm))]


def band_names(edges_mm: Sequence[float]) -> list[str]:
    """``radius 0-1 mm``, …, ``radius 4+ mm``."""
    texts = [f"{edge:g}" for edge in (0.0, *edges_mm)]
    inner = [f"radius {a}-{b} mm" for a, b in pairwise(texts)]
    return [*inner, f"radius {texts[-1]}+ mm"]


def pool(lines: Sequence[Centreline]) -> Centreline:
    """Several lines as one; branches keep the generation of their own tree."""
    offsets = np.cumsum([0, *(len(line.generation) for line in lines)])
    parts = [
        (x.points, x.length_mm, x.radius_mm, x.branch + offset, x.generation)
        for x, offset in zip(lines, offsets[:-1], strict=True)
    ]
    return Centreline(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _lengths(line: Centreline) -> NDArray[np.float64]:
    return np.bincount(line.branch, line.length_mm, len(line.generation)).astype(np.float64)


def _generations(line: Centreline) -> list[tuple[str, NDArray[np.bool_]]]:
    capped = np.minimum(line.generation, MOST_GENERATIONS)
    numbers = [*range(MOST_GENERATIONS + 1), DETACHED]
    return [(n, capped == i) for n, i in zip(generation_names(), numbers, strict=True)]


def generation_names() -> list[str]:
    """``generation 0``, …, ``generation 10+``, ``detached``."""
    names = [f"generation {i}" for i in range(MOST_GENERATIONS)]
    return [*names, f"generation {MOST_GENERATIONS}+", "detached"]


def _part(
    line: Centreline,
    found: NDArray[np.bool_],
    whole: NDArray[np.bool_],
    voxels: NDArray[np.bool_],
    of: NDArray[np.bool_],
) -> Mapping[str, float | int | None]:
    """Length and branches of a part of the reference's tree, and the shares detected."""
    branches = int(of.sum())
    return {
        "reference_tree_mm": float(line.length_mm[voxels].sum()),
        "tree_detected": share(line.length_mm[voxels], found[voxels]),
        "reference_branches": branches,
        "branches_detected": float(whole[of].mean()) if branches else None,
    }
