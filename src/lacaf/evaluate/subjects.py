"""What is scored: the classes, and the groups that they make.

Volumes that know the patient's sides have all classes; volumes that only tell artery from vein have
the kinds of vessel. A class's label value is its place in the list, from 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import ARTERY_VEIN, BY_NAME, CLASSES, SIDES, UNKNOWN, VESSELS
from lacaf.coverage import State

Classes = tuple[str, ...]

#: Of a group some of whose classes are unknown: it is scored on the others.
PARTIAL = "partial"


def vessel_of(name: str) -> str:
    """The kind of vessel of a class; of a kind itself the kind."""
    return BY_NAME[name].vessel if name in BY_NAME else name


def side_of(name: str) -> str:
    """Left or right; empty for a class without a side."""
    return BY_NAME[name].side if name in BY_NAME else ""


def groups(classes: Classes) -> dict[str, Classes]:
    """The groups of classes that are scored as one: a kind, a side, all arteries and veins."""
    found: dict[str, Classes] = {}
    if classes == CLASSES:
        found |= {v: tuple(c for c in classes if vessel_of(c) == v) for v in VESSELS}
        found |= {s: tuple(c for c in classes if side_of(c) == s) for s in SIDES}
        found = {name: own for name, own in found.items() if own != (name,)}
    return found | {"vessel": tuple(c for c in classes if vessel_of(c) in ARTERY_VEIN)}


def values(classes: Classes, members: Sequence[str]) -> list[int]:
    """The label values of some of the classes."""
    return [classes.index(name) + 1 for name in members]


def lookup(wanted: Sequence[int]) -> NDArray[np.bool_]:
    """``(256,)`` table: ``lookup(wanted)[labels]`` is True where a label is wanted."""
    table = np.zeros(256, dtype=bool)
    table[list(wanted)] = True
    return table


def state(members: Sequence[str], states: Mapping[str, State]) -> str:
    """The state of a group: that of its classes, ``partial`` where only some are unknown."""
    own = {states[name] for name in members}
    if own == {"unknown"}:
        return "unknown"
    if "unknown" in own:
        return PARTIAL
    return "labelled" if "labelled" in own else "absent"


def only_known(
    prediction: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    classes: Classes,
    states: Mapping[str, State],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Both with background where nothing can be said about the prediction.

    That is where the reference is unknown. And where the reference has no vessel and the
    prediction a class that is unknown: it may be right. On a vessel of the reference such a
    prediction stays, since it gives that vessel another name.
    """
    unknown = reference == UNKNOWN
    strangers = lookup(values(classes, [c for c in classes if states[c] == "unknown"]))
    unlabelled = unknown
    if strangers.any():
        unlabelled = unknown | ((reference == 0) & strangers[prediction])
    if not unlabelled.any():
        return prediction, reference
    return np.where(unlabelled, 0, prediction), np.where(unknown, 0, reference)
