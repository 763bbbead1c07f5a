"""All scores of one case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.coverage import CLASSES, SIDES, Coverage
from lacaf.evaluate import masks as m
from lacaf.evaluate.identity import identity
from lacaf.evaluate.overlap import overlap
from lacaf.evaluate.surface import surface
from lacaf.evaluate.tree import Centreline, centreline, cldice

if TYPE_CHECKING:
    from lacaf.params import Evaluate

#: The tolerance of NSD where no parameters are given.
NSD_TOLERANCE_MM = 1.0

CLASS_METRICS = (
    "dsc",
    "sensitivity",
    "precision",
    "nsd",
    "hd95_mm",
    "cldice",
    "reference_ml",
    "prediction_ml",
    "missed",
)
MEAN_METRICS = ("dsc", "nsd", "hd95_mm", "cldice")


def evaluate(
    prediction: Path,
    reference: Path,
    coverage: Coverage | None,
    params: Evaluate | None = None,
    truth: Path | None = None,
) -> dict[str, Any]:
    """Score a prediction, only where the reference is known.

    Args:
        prediction: NIfTI label volume, 0 to 4.
        reference: NIfTI label volume on the same grid, 0 to 4 and 255 unknown.
        coverage: state of each class in the reference; None: all are labelled.
        params: the tolerance of NSD; None: 1 mm.
        truth: a second reference in which everything is known (a phantom's hidden truth).

    Returns:
        ``against`` → ``labelled`` (and ``truth``) → ``classes``, ``mean``, ``identity`` as
        docs/metrics.md defines them. None stands for "not evaluated".

    Raises:
        Refusal: the grids differ, or a volume holds other values.
    """
    tolerance = params.nsd_tolerance_mm if params else NSD_TOLERANCE_MM
    predicted = m.read_labels(prediction, "the prediction", unknown_allowed=False)
    known = m.read_labels(reference, "the reference", unknown_allowed=True)
    against = {"labelled": compare_volumes(predicted, known, coverage, tolerance)}
    if truth is not None:
        everything = m.read_labels(truth, "the truth", unknown_allowed=True)
        against["truth"] = compare_volumes(predicted, everything, None, tolerance)
    diagonal = m.diagonal_mm(predicted.grid)
    return {"nsd_tolerance_mm": tolerance, "diagonal_mm": diagonal, "against": against}


def compare_volumes(
    prediction: volume.Volume,
    reference: volume.Volume,
    coverage: Coverage | None,
    tolerance_mm: float,
) -> dict[str, Any]:
    """Scores of one prediction against one reference: ``classes``, ``mean``, ``identity``."""
    m.require_same_grid(prediction.grid, reference.grid)
    states: Coverage = coverage or dict.fromkeys(CLASSES, "labelled")
    grid = reference.grid
    predicted, present = m.only_known(prediction.array, reference.array)
    classes: dict[str, dict[str, Any]] = {}
    trees: dict[str, Centreline] = {}
    for name, masks in m.by_class(predicted, present, grid.spacing_mm):
        if states[name] == "unknown":
            classes[name] = {"state": "unknown", **dict.fromkeys(CLASS_METRICS)}
            continue
        tree = centreline(masks.reference, grid.spacing_mm)
        numbers = overlap(masks, grid.voxel_ml)
        numbers |= surface(masks, tolerance_mm, m.diagonal_mm(grid))
        numbers["cldice"] = _cldice(masks, tree)
        classes[name] = {"state": states[name], **{k: numbers[k] for k in CLASS_METRICS}}
        trees[name] = Centreline(tree.points + np.array(masks.origin), tree.length_mm)
    return {
        "classes": classes,
        "mean": _mean(classes),
        "identity": identity(predicted, trees, states),
    }


def _cldice(masks: m.Masks, tree: Centreline) -> float:
    same = np.array_equal(masks.prediction, masks.reference)
    own: NDArray[np.bool_] = masks.prediction
    return cldice(masks, tree if same else centreline(own, masks.spacing_mm), tree)


def _mean(classes: dict[str, dict[str, Any]]) -> dict[str, float | int | None]:
    """Plain mean over the classes that were scored, and how many were and were not."""
    scored = [entry for entry in classes.values() if entry["state"] != "unknown"]
    mean: dict[str, float | int | None] = {
        metric: sum(entry[metric] for entry in scored) / len(scored) if scored else None
        for metric in MEAN_METRICS
    }
    mean |= {"classes_scored": len(scored), "classes_unknown": len(classes) - len(scored)}
    return mean


def show(details: dict[str, Any]) -> str:
    """The scores of one case as a Markdown table for the terminal."""
    from lacaf.evaluate.markdown import cell, markdown

    parts = []
    for against, scores in details["against"].items():
        header = ["class", "DSC", f"NSD {details['nsd_tolerance_mm']:g} mm", "HD95 mm", "clDice"]
        header += ["sensitivity", "precision", "reference ml", "predicted ml", "state"]
        keys = ["dsc", "nsd", "hd95_mm", "cldice", "sensitivity", "precision"]
        keys += ["reference_ml", "prediction_ml"]
        rows = []
        for name, entry in [*scores["classes"].items(), ("mean", scores["mean"])]:
            state = "missed" if entry.get("missed") else entry.get("state", "")
            rows.append([name.replace("_", " "), *(cell(entry.get(k)) for k in keys), state])
        parts.append(f"Against {against}\n\n{markdown(header, rows)}")
        keys = ["found_share", "accuracy", "always_artery", "artery_as_vein", "vein_as_artery"]
        keys += ["side_accuracy"]
        rows = [
            [side, *(cell(scores["identity"][side][key]) for key in keys)]
            for side in (*SIDES, "both")
        ]
        parts.append(markdown(["identity", *(k.replace("_", " ") for k in keys)], rows))
    return "\n\n".join(parts)
