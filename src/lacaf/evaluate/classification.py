"""Artery or vein, left or right: what the vessels that were found are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import ARTERY_VEIN, CLASSES, SIDES
from lacaf.coverage import State
from lacaf.evaluate.centreline import Centreline
from lacaf.evaluate.subjects import Classes, lookup, side_of, values, vessel_of
from lacaf.evaluate.tree import MOST, band_names, bands, branches_with

#: Name of the pool of both sides, and of volumes that know no sides.
BOTH = "both"

#: What is told of each calibre band.
BY_CALIBRE = (
    "reference_artery_mm",
    "reference_vein_mm",
    "found_share",
    "accuracy",
    "artery_as_vein",
    "vein_as_artery",
    "left_as_right",
    "right_as_left",
)


#: What cannot be asked of one side alone, and of volumes that know no sides.
NOT_OF_ONE_SIDE = {"left": ("right_as_left",), "right": ("left_as_right",), BOTH: ()}
NOT_WITHOUT_SIDES = ("side_accuracy", "left_as_right", "right_as_left", "branches_on_other_side")


@dataclass(frozen=True)
class _Piece:
    """Lengths in mm of a part of one reference class: whole, found, found with the right name."""

    vessel: str
    side: str
    length: float
    found: float
    right_type: float
    right_side: float


def classification(
    prediction: NDArray[np.uint8],
    trees: Mapping[str, Centreline],
    classes: Classes,
    states: Mapping[str, State],
    calibre_edges_mm: Sequence[float],
) -> dict[str, dict[str, Any]]:
    """Artery–vein classification along the reference's centreline, for left, right and both lungs.

    Args:
        prediction: ``(Z, Y, X)`` labels.
        trees: centreline of each class that is known, in indices of ``prediction``.
        classes: names of the labels 1, 2, ….
        states: state of each class; classes that are unknown have no say.
        calibre_edges_mm: radii at which one calibre band ends and the next begins.

    Returns:
        For ``left``, ``right`` (where the volumes know sides) and ``both``, by length of the
        reference's centreline, None where the reference has no answer:
        reference_artery_mm, reference_vein_mm: its length.
        found_share: how much of it was predicted as any vessel.
        accuracy: of the found, how much has the right vessel type (on either side). Nothing
            found: 0, a miss costs. None where only one of the two types is known.
        side_accuracy: of the found, how much has the right side of the patient.
        artery_as_vein, vein_as_artery: how much of the whole artery (vein) was called the other.
        left_as_right, right_as_left: how much of the whole side was called the other (each only
            where that side is among those pooled).
        always_artery: the accuracy of calling all that was found artery; majority: of calling
            it what most of it is. Of the whole centreline where nothing was found.
        branches: their number; artery_branches_as_vein, vein_branches_as_artery,
            branches_on_other_side: how many of them are mostly called the other.
        by_calibre: what BY_CALIBRE names, for each band.
    """
    own_kind = [name for name in classes if vessel_of(name) in ARTERY_VEIN]
    known = [name for name in own_kind if states[name] != "unknown"]
    heard = lookup(values(classes, own_kind))
    pieces: dict[str, list[_Piece]] = {}
    flips: dict[str, dict[str, int]] = {}
    for name in known:
        line = trees[name]
        said = prediction[tuple(line.points.T)]
        said = np.where(heard[said], said, 0)
        parts = [np.ones(len(said), bool), *(v for _, v, _ in bands(line, calibre_edges_mm))]
        pieces[name] = [_piece(line, said, name, classes, part) for part in parts]
        flips[name] = _flips(line, said, name, classes)
    found = {}
    for side in (*SIDES, BOTH) if classes == CLASSES else (BOTH,):
        own = [name for name in known if side in (BOTH, side_of(name))]
        idle = NOT_OF_ONE_SIDE[side] if classes == CLASSES else NOT_WITHOUT_SIDES
        told = _told([pieces[name] for name in own], [flips[name] for name in own], own)
        whole, *cut = [{k: v for k, v in entry.items() if k not in idle} for entry in told]
        names = band_names(calibre_edges_mm)
        found[side] = whole | {"by_calibre": dict(zip(names, cut, strict=True)) if own else None}
    return found


def _told(
    pieces: Sequence[Sequence[_Piece]], flips: Sequence[Mapping[str, int]], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Of some classes together: fractions and branches of the whole, then those of each band."""
    both_types = _with_both_types(names)
    columns = list(zip(*pieces, strict=True)) or [()]
    fractions = [_fractions(column, both_types) for column in columns]
    bands_alone = [{key: entry[key] for key in BY_CALIBRE} for entry in fractions[1:]]
    return [{**fractions[0], **_branch_counts(flips)}, *bands_alone]


def _piece(
    line: Centreline,
    said: NDArray[np.uint8],
    name: str,
    classes: Classes,
    part: NDArray[np.bool_],
) -> _Piece:
    def length(voxels: NDArray[np.bool_]) -> float:
        return float(line.length_mm[voxels & part].sum())

    return _Piece(
        vessel_of(name),
        side_of(name),
        length(part),
        length(said > 0),
        length(_alike(name, vessel_of, classes)[said]),
        length(_alike(name, side_of, classes)[said]),
    )


def _alike(name: str, kind: Callable[[str], str], classes: Classes) -> NDArray[np.bool_]:
    """Table of the labels that have the same vessel type, or the same side, as a class."""
    return lookup(values(classes, [c for c in classes if kind(c) == kind(name)]))


def _with_both_types(names: Iterable[str]) -> set[str]:
    """The sides of which both vessel types are known.

    With one type alone "always artery" would be perfect: no word on accuracy there.
    """
    sides = [side_of(name) for name in names]
    return {side for side in sides if sides.count(side) == len(ARTERY_VEIN)}


def _fractions(pieces: Sequence[_Piece], both_types: set[str]) -> dict[str, float | None]:
    complete = [p for p in pieces if p.side in both_types]
    found = sum(p.found for p in complete)
    artery = sum(p.found for p in complete if p.vessel == "artery")
    if not found:
        artery = sum(p.length for p in complete if p.vessel == "artery")
    base = _fraction(artery, found or sum(p.length for p in complete))
    return {
        **{f"reference_{v}_mm": _length(pieces, v) for v in ARTERY_VEIN},
        "found_share": _fraction(sum(p.found for p in pieces), sum(p.length for p in pieces)),
        "accuracy": _accuracy([(p.right_type, p.found, p.length) for p in complete]),
        "side_accuracy": _accuracy([(p.right_side, p.found, p.length) for p in pieces if p.side]),
        "artery_as_vein": _confused([(p.right_type, p) for p in pieces if p.vessel == "artery"]),
        "vein_as_artery": _confused([(p.right_type, p) for p in pieces if p.vessel == "vein"]),
        "left_as_right": _confused([(p.right_side, p) for p in pieces if p.side == "left"]),
        "right_as_left": _confused([(p.right_side, p) for p in pieces if p.side == "right"]),
        "always_artery": base,
        "majority": None if base is None else max(base, 1 - base),
    }


def _flips(
    line: Centreline, said: NDArray[np.uint8], name: str, classes: Classes
) -> dict[str, int]:
    """How many branches of a class there are, and how many are mostly called the other."""
    other_type = (said > 0) & ~_alike(name, vessel_of, classes)[said]
    other_side = (said > 0) & ~_alike(name, side_of, classes)[said]
    return {
        "branches": len(line.generation),
        f"{vessel_of(name)}_flipped": int(branches_with(line, other_type, MOST).sum()),
        f"{side_of(name)}_crossed": int(branches_with(line, other_side, MOST).sum()),
    }


def _branch_counts(flips: Sequence[Mapping[str, int]]) -> dict[str, int | None]:
    def total(*keys: str) -> int | None:
        own = [entry[key] for entry in flips for key in keys if key in entry]
        return sum(own) if own else None

    return {
        "branches": total("branches"),
        "artery_branches_as_vein": total("artery_flipped"),
        "vein_branches_as_artery": total("vein_flipped"),
        "branches_on_other_side": total("left_crossed", "right_crossed"),
    }


def _length(pieces: Sequence[_Piece], vessel: str) -> float | None:
    lengths = [p.length for p in pieces if p.vessel == vessel]
    return sum(lengths) if lengths else None


def _confused(pieces: Sequence[tuple[float, _Piece]]) -> float | None:
    """Of pieces with what has the right name: how much of the whole was called the other."""
    wrong = sum(p.found - right for right, p in pieces)
    return _fraction(wrong, sum(p.length for _, p in pieces))


def _accuracy(parts: Sequence[tuple[float, float, float]]) -> float | None:
    """Of parts (right, found, whole): the fraction of what was found that is right."""
    right, found, whole = (
        (sum(column) for column in zip(*parts, strict=True)) if parts else (0,) * 3
    )
    if not whole:
        return None
    return right / found if found else 0.0


def _fraction(part: float, whole: float) -> float | None:
    return part / whole if whole else None
