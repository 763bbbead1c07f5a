"""The metrics of a subject (a class or a group): one row each, and all that lists them reads it.

A new metric is its function and one row of METRICS. docs/metrics.md holds the definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lacaf.evaluate.centreline import Centreline
from lacaf.evaluate.masks import Masks
from lacaf.evaluate.overlap import overlap
from lacaf.evaluate.surface import nsd_name, surface
from lacaf.evaluate.topology import topology
from lacaf.evaluate.tree import tree


@dataclass(frozen=True)
class Scales:
    """The lengths that scores depend on, mm: NSD's tolerances, and where calibre bands end."""

    nsd_tolerances_mm: Sequence[float] = (1.0, 2.0)
    calibre_edges_mm: Sequence[float] = (1.0, 2.0, 4.0)


@dataclass(frozen=True, eq=False)
class Subject:
    """What a metric's function is given: a class or a group whose reference is known.

    Attributes:
        masks: prediction and reference.
        voxel_ml: volume of a voxel.
        diagonal_mm: of the image: the price of a miss.
        scales: tolerances and calibre bands.
        reference, predicted: the centrelines, in indices of the image.
        found: ``(N,)`` which voxels of the reference's centreline lie in the prediction.
        right: ``(M,)`` which voxels of the prediction's centreline lie in the reference.
    """

    masks: Masks
    voxel_ml: float
    diagonal_mm: float
    scales: Scales
    reference: Centreline
    predicted: Centreline
    found: NDArray[np.bool_]
    right: NDArray[np.bool_]


Function = Callable[[Subject], Mapping[str, Any]]


@dataclass(frozen=True)
class Metric:
    """One metric, or several of one kind.

    Attributes:
        names: its keys in scores.json; ``nsd`` stands for a key a tolerance.
        function: gives its numbers by key (and may give those of other rows).
        unit: mm, ml, or 1 for fractions and counts.
        better: which direction is; empty where neither is.
        empty: what it is when nothing was predicted and there was something to find.
        meaning: a line for the reference page.
        averaged: whether a case's mean over the classes tells it.
        table: the table of a run, ``classes`` or ``trees``, that gets a column of it at its end;
            empty where none does, or where tables.py gives it a place of its own.
    """

    names: tuple[str, ...]
    function: Function
    unit: str
    better: Literal["higher", "lower", ""]
    empty: str
    meaning: str
    averaged: bool = False
    table: Literal["classes", "trees", ""] = ""

    def keys(self, scales: Scales) -> tuple[str, ...]:
        """Its keys at some scales."""
        each = (map(nsd_name, scales.nsd_tolerances_mm) if n == NSD else (n,) for n in self.names)
        return tuple(key for names in each for key in names)


#: In the table of metrics: one key a tolerance.
NSD = "nsd"

#: The parts of a subject's tree, each with numbers of its own; they follow the metrics.
PARTS = ("by_calibre", "by_generation")


def _overlap(of: Subject) -> Mapping[str, Any]:
    return overlap(of.masks, of.voxel_ml)


def _surface(of: Subject) -> Mapping[str, Any]:
    return surface(of.masks, of.scales.nsd_tolerances_mm, of.diagonal_mm)


def _topology(of: Subject) -> Mapping[str, Any]:
    return topology(of.masks)


def _tree(of: Subject) -> Mapping[str, Any]:
    return tree(of.reference, of.found, of.predicted, of.right, of.scales.calibre_edges_mm)


_B = ("b0", "b1", "b2")

#: In the order of the keys of scores.json. Where the reference is unknown, all are null.
METRICS: tuple[Metric, ...] = (
    Metric(("dsc",), _overlap, "1", "higher", "0", "Dice similarity of the volumes", True),
    Metric(("sensitivity",), _overlap, "1", "higher", "0", "fraction of the reference found"),
    Metric(("precision",), _overlap, "1", "higher", "0", "fraction of the prediction right"),
    Metric((NSD,), _surface, "1", "higher", "0", "surface within a tolerance, by area", True),
    Metric(("hd95_mm",), _surface, "mm", "lower", "diagonal", "95th percentile distance", True),
    Metric(("assd_mm",), _surface, "mm", "lower", "diagonal", "mean surface distance", True),
    Metric(("reference_ml", "prediction_ml"), _overlap, "ml", "", "its volume, 0", "volumes"),
    Metric(("volume_difference_ml",), _overlap, "ml", "", "−reference", "prediction − reference"),
    Metric(("missed",), _overlap, "1", "lower", "1", "nothing of the reference was found"),
    Metric(("cldice",), _tree, "1", "higher", "0", "Dice of the centrelines, by length", True),
    Metric(("tree_detected",), _tree, "1", "higher", "0", "fraction of the length found", True),
    Metric(("branches_detected",), _tree, "1", "higher", "0", "fraction of branches found", True),
    Metric(
        ("reference_tree_mm", "prediction_tree_mm"), _tree, "mm", "", "its length, 0", "lengths"
    ),
    Metric(
        ("reference_branches", "prediction_branches"), _tree, "1", "", "their number, 0", "branches"
    ),
    Metric(("false_branches",), _tree, "1", "lower", "0", "branches outside the reference", True),
    Metric(("false_branches_mm",), _tree, "mm", "lower", "0", "length of the false branches"),
    Metric(
        tuple(f"{volume}_{b}" for volume in ("reference", "prediction") for b in _B),
        *(_topology, "1", "", "its numbers, 0", "components, loops, cavities"),
    ),
    Metric(("b0_error",), _topology, "1", "lower", "of the reference", "components astray", True),
    Metric(
        ("b1_error", "b2_error"), _topology, "1", "lower", "of the reference", "loops, cavities"
    ),
)


def subject_keys(scales: Scales) -> tuple[str, ...]:
    """The keys of a subject's scores, after its state."""
    return (*(key for metric in METRICS for key in metric.keys(scales)), *PARTS)


def averaged_keys(scales: Scales) -> tuple[str, ...]:
    """The keys of which a case has a mean over its classes."""
    return tuple(key for metric in METRICS if metric.averaged for key in metric.keys(scales))


def measure(subject: Subject) -> dict[str, Any]:
    """All numbers of a subject by key; a function that serves several rows is called once."""
    numbers: dict[str, Any] = {}
    for function in dict.fromkeys((*(metric.function for metric in METRICS), _tree)):
        numbers |= function(subject)
    return {key: numbers[key] for key in subject_keys(subject.scales)}


def unit(key: str) -> str:
    """A metric's unit; of numbers that are not of a subject what their key says: mm, ml or 1."""
    for metric in METRICS:
        if key in metric.names:
            return metric.unit
    return key.rsplit("_", 1)[-1] if key.endswith(("_mm", "_ml")) else "1"


def columns(table: str) -> dict[str, str]:
    """Heading → key of the metrics that ask for a column at the end of a table."""
    names = (name for metric in METRICS if metric.table == table for name in metric.names)
    return {name.replace("_", " "): name for name in names}


def reference() -> str:
    """The registered metrics as a Markdown table."""
    lines = [
        "| metric | unit | better | nothing predicted | in the mean | meaning |",
        "|---|---|---|---|---|---|",
    ]
    for metric in METRICS:
        names = ", ".join(f"`{'nsd_<tolerance>mm' if n == NSD else n}`" for n in metric.names)
        told = [metric.better or "–", metric.empty, "yes" if metric.averaged else "no"]
        lines.append(f"| {names} | {metric.unit} | {' | '.join(told)} | {metric.meaning} |")
    return "\n".join(lines) + "\n"
