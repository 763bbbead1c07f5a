"""The scores of one label volume against another, class by class and group by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf.coverage import State
from lacaf.evaluate.centreline import Centreline, centreline
from lacaf.evaluate.classification import classification
from lacaf.evaluate.masks import Boxes, Masks, diagonal_mm
from lacaf.evaluate.metrics import Scales, Subject, averaged_keys, measure, subject_keys
from lacaf.evaluate.subjects import Classes, groups, lookup, only_known, state, values
from lacaf.evaluate.tree import pool
from lacaf.grid import Grid


@dataclass(frozen=True, eq=False)
class Case:
    """Two volumes in which what can be judged is left, and what is known of them.

    Attributes:
        prediction, reference: ``(Z, Y, X)``, 0 background, 1, 2, … the classes.
        grid: grid of both.
        classes: names of the labels.
        states: state of each class in the reference.
        scales: tolerances and calibre bands.
    """

    prediction: NDArray[np.uint8]
    reference: NDArray[np.uint8]
    grid: Grid
    classes: Classes
    states: Mapping[str, State]
    scales: Scales


@dataclass(frozen=True, eq=False)
class Lines:
    """The centrelines of a subject in prediction and reference, in indices of the image."""

    prediction: Centreline
    reference: Centreline


def compare_volumes(
    prediction: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    grid: Grid,
    classes: Classes,
    states: Mapping[str, State],
    scales: Scales,
) -> dict[str, Any]:
    """Scores of one prediction against one reference: classes, groups, mean, identity.

    The reference may also hold 255, unknown; for the other arguments see :class:`Case`.
    """
    predicted, present = only_known(prediction, reference, classes, states)
    case = Case(predicted, present, grid, classes, states, scales)
    boxes = Boxes(predicted, present, classes, grid.spacing_mm)
    lines: dict[str, Lines] = {}
    scores: dict[str, dict[str, Any]] = {}
    for name in classes:
        masks = boxes.masks((name,), (name,))
        if states[name] != "unknown":
            lines[name] = _trace(masks)
        scores[name] = _subject(case, (name,), masks, lines)
    of_groups = {
        name: _subject(case, members, boxes.masks(members, _known(case, members)), lines)
        for name, members in groups(classes).items()
    }
    trees = {name: own.reference for name, own in lines.items()}
    return {
        "classes": scores,
        "groups": of_groups,
        "mean": _mean(scores, scales),
        "identity": classification(predicted, trees, classes, states, scales.calibre_edges_mm),
    }


def _known(case: Case, members: Sequence[str]) -> list[str]:
    return [name for name in members if case.states[name] != "unknown"]


def _trace(masks: Masks) -> Lines:
    reference = centreline(masks.reference, masks.spacing_mm)
    same = np.array_equal(masks.prediction, masks.reference)
    predicted = reference if same else centreline(masks.prediction, masks.spacing_mm)
    return Lines(predicted.moved(masks.origin), reference.moved(masks.origin))


def _subject(
    case: Case, members: Classes, masks: Masks, lines: Mapping[str, Lines]
) -> dict[str, Any]:
    """All scores of a class or a group; of one that is unknown, all are None."""
    numbers: dict[str, Any] = {"state": state(members, case.states)}
    known = _known(case, members)
    if not known:
        return numbers | dict.fromkeys(subject_keys(case.scales))
    reference = pool([lines[name].reference for name in known])
    predicted = pool([lines[name].prediction for name in known])
    found = lookup(values(case.classes, members))[case.prediction[tuple(reference.points.T)]]
    right = lookup(values(case.classes, known))[case.reference[tuple(predicted.points.T)]]
    voxel_ml, diagonal = case.grid.voxel_ml, diagonal_mm(case.grid)
    subject = Subject(masks, voxel_ml, diagonal, case.scales, reference, predicted, found, right)
    return numbers | measure(subject)


def _mean(scores: Mapping[str, Mapping[str, Any]], scales: Scales) -> dict[str, Any]:
    """Plain mean over the classes that have the number; how many were scored and were not."""
    mean: dict[str, Any] = {}
    for metric in averaged_keys(scales):
        found = [entry[metric] for entry in scores.values() if entry[metric] is not None]
        mean[metric] = sum(found) / len(found) if found else None
    unknown = sum(entry["state"] == "unknown" for entry in scores.values())
    return mean | {"classes_scored": len(scores) - unknown, "classes_unknown": unknown}
