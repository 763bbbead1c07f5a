"""What is known of each class of a case."""

from __future__ import annotations

from lacaf.classes import TABLE
from lacaf.coding import Coding
from lacaf.coverage import Coverage, State
from lacaf.harmonize.sides import STRAY_FRACTION


def coverage(
    coding: Coding, sides: tuple[str, ...], ml: dict[str, float], min_vessel_ml: float
) -> tuple[Coverage, list[str]]:
    """The state of each class, and flags.

    A class is ``labelled`` if the coding can express it, its lung was labelled and there is some
    of it: at least ``min_vessel_ml``, and no strays beside the lung's other kind of vessel.
    Every lung has arteries and veins: a class that could have been drawn and was not is
    ``unknown`` (the expert drew one kind of vessel), never ``absent``, which only something
    other than a label file could tell.

    A class without a side asks for no lung of its own: it is labelled wherever one lung or both
    are. That says nothing of the lung that was not labelled, for what is not drawn there is 255
    in the labels, which is no background of any class.
    """
    states: Coverage = {}
    flags = []
    for row in TABLE:
        here = ml[row.name]
        beside = [ml[one.name] for one in TABLE if row.side and one.side == row.side]
        drawn = here > 0 and here >= max(min_vessel_ml, STRAY_FRACTION * max(beside, default=0.0))
        could = row.side in ("", *sides) and row.name in coding.classes(row.side)
        state: State = "labelled" if could and drawn else "unknown"
        states[row.name] = state
        if could and not drawn:
            lung = f" and the {row.side} lung is labelled" if row.side else ""
            flags.append(
                f"{row.name}: only {here:.2f} ml though the coding has it{lung}; taken as not "
                "drawn, so unknown"
            )
    return states, flags
