"""What is known of each class of a case."""

from __future__ import annotations

from lacaf.classes import SIDES, VESSELS
from lacaf.coding import Coding
from lacaf.coverage import Coverage, State
from lacaf.harmonize.sides import STRAY_SHARE


def coverage(
    coding: Coding, sides: tuple[str, ...], ml: dict[str, float], min_vessel_ml: float
) -> tuple[Coverage, list[str]]:
    """The state of each class, and flags.

    A class is ``labelled`` if the coding can express it, its lung was labelled and there is some
    of it: at least ``min_vessel_ml``, and no strays beside the lung's other kind of vessel.
    Every lung has arteries and veins: a class that could have been drawn and was not is
    ``unknown`` (the expert drew one kind of vessel), never ``absent``, which only something
    other than a label file could tell.
    """
    states: Coverage = {}
    flags = []
    for side in SIDES:
        most = max(ml[f"{side}_{vessel}"] for vessel in VESSELS)
        for vessel in VESSELS:
            name = f"{side}_{vessel}"
            drawn = ml[name] >= max(min_vessel_ml, STRAY_SHARE * most) and ml[name] > 0
            could = side in sides and name in coding.classes(side)
            state: State = "labelled" if could and drawn else "unknown"
            states[name] = state
            if could and not drawn:
                flags.append(
                    f"{name}: only {ml[name]:.2f} ml though the coding has it and the {side} lung "
                    "is labelled; taken as not drawn, so unknown"
                )
    return states, flags
