"""The windows in which a network sees HU: proposed anew only where they hide something."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from lacaf.classes import ARTERY_VEIN
from lacaf.params.whole import Params
from lacaf.plan.fingerprint import CORE, LUNG, Fingerprint
from lacaf.plan.line import Line, line

#: An end of a window hides something if more than this fraction lies beyond it. Blood is not
#: darker than water: what is, in a vessel's core, is blurred with lung, so that the lower end of
#: the blood window stays unless half of a core lies below it.
HIDDEN, DARK = 0.05, 0.5
#: Fractions at which a new end is set, nnU-Net's, and what it is rounded to, HU.
ENDS, ROUND_HU = (0.005, 0.995), 50


def windows(found: Fingerprint, present: Params) -> list[Line]:
    """``train.hu_window``, which tells vessel from lung, and ``train.blood_window``, which tells
    blood from blood and is judged by the cores of vessels: at their walls lung is mixed in."""
    return [_hu_window(found, present), _blood_window(found, present)]


def _hu_window(found: Fingerprint, present: Params) -> Line:
    low, high = present.train.hu_window
    lung = found.hu[LUNG]
    hidden = lung.below(low)
    if hidden > HIDDEN:
        new = _outwards(lung.quantile(ENDS[0]), math.floor)
        why = f"{hidden:.0%} of the lung lies below {low:g} HU; 0.5 % below {new:g}"
        return line(present, "train.hu_window", [new, high], why)
    why = f"{hidden:.1%} of the lung lies below it; what lies above it the blood window shows"
    return line(present, "train.hu_window", [low, high], why)


def _blood_window(found: Fingerprint, present: Params) -> Line:
    low, high = present.train.blood_window
    cores = {vessel: found.hu[vessel + CORE] for vessel in ARTERY_VEIN}
    cores = {vessel: hu for vessel, hu in cores.items() if hu.total}
    if not cores:
        why = "no labelled vessel is thick enough to have a core to judge it by"
        return line(present, "train.blood_window", [low, high], why)
    below = {vessel: hu.below(low) for vessel, hu in cores.items()}
    above = {vessel: hu.above(high) for vessel, hu in cores.items()}
    reasons = []
    if max(below.values()) > DARK:
        reasons.append(f"{_shares(below)} lies below {low:g} HU")
        low = _outwards(min(hu.quantile(ENDS[0]) for hu in cores.values()), math.floor)
    if max(above.values()) > HIDDEN:
        reasons.append(f"{_shares(above)} lies above {high:g} HU")
        high = _outwards(max(hu.quantile(ENDS[1]) for hu in cores.values()), math.ceil)
    why = "; ".join(reasons) or f"{_shares(above)} lies above it, {_shares(below)} below"
    return line(present, "train.blood_window", [low, high], why)


def _outwards(value: float, towards: Callable[[float], int]) -> float:
    return float(ROUND_HU * towards(value / ROUND_HU))


def _shares(fractions: Mapping[str, float]) -> str:
    return " and ".join(f"{share:.0%} of {vessel} cores" for vessel, share in fractions.items())
