"""All scores of one case."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from lacaf.classes import CLASSES, VESSELS
from lacaf.coding import Coding
from lacaf.coverage import State
from lacaf.evaluate import labels
from lacaf.evaluate.masks import diagonal_mm, in_order_of, require_same_grid
from lacaf.evaluate.scoring import Scales, compare_volumes
from lacaf.evaluate.subjects import Classes, vessel_of
from lacaf.fault import Refusal

if TYPE_CHECKING:
    from lacaf.params.evaluate import Evaluate

#: What a kind of reference is called in messages.
ROLE = {"labelled": "the reference", "truth": "the truth"}


def evaluate(
    prediction: Path,
    reference: Path,
    coverage: Mapping[str, State] | None,
    params: Evaluate | Scales | None = None,
    truth: Path | None = None,
    coding: Coding | None = None,
    prediction_coding: Coding | None = None,
) -> dict[str, Any]:
    """Score a prediction, only where the reference is known.

    Args:
        prediction: label volume.
        reference: label volume on the same grid (its axes may be stored in another order),
            unknown voxels marked.
        coverage: state of each class in the reference; None: all that its coding can express
            are labelled.
        params: tolerances of NSD and calibre bands; None: 1 and 2 mm; 1, 2 and 4 mm.
        truth: a second reference in which every class is known (a phantom's hidden truth).
        coding: what the values of the reference (and the truth) mean; None: 1 left artery, 2
            left vein, 3 right artery, 4 right vein, 255 unknown.
        prediction_coding: the same of the prediction; None: as the reference.

    Returns:
        ``against`` → ``labelled`` (and ``truth``) → ``classes``, ``groups``, ``mean``,
        ``identity`` as docs/metrics.md defines them, and the scales. None: not evaluated.

    Raises:
        FileNotFoundError: one of the files does not exist.
        Refusal: the grids differ, or a volume holds values without a meaning.
    """
    scales = scales_of(params)
    coding = coding or labels.CANONICAL
    spoken = prediction_coding or coding
    classes = labels.classes_of(coding, spoken)
    states = _states(coverage, classes, labels.said_by(coding, classes))
    predicted = labels.read(prediction, "the prediction", spoken, classes, False)
    all_labelled: dict[str, State] = dict.fromkeys(classes, "labelled")
    against = {}
    for name, path in (("labelled", reference), ("truth", truth)):
        if path is not None:
            known = labels.read(path, ROLE[name], coding, classes, True)
            ordered = in_order_of(predicted, known.grid)
            require_same_grid(ordered.grid, known.grid)
            own = states if name == "labelled" else all_labelled
            against[name] = compare_volumes(
                ordered.array, known.array, known.grid, classes, own, scales
            )
    return {
        "nsd_tolerances_mm": list(scales.nsd_tolerances_mm),
        "calibre_edges_mm": list(scales.calibre_edges_mm),
        "diagonal_mm": diagonal_mm(predicted.grid),
        "classes": list(classes),
        "against": against,
    }


def scales_of(
    params: Evaluate | Scales | None, tolerances_mm: Sequence[float] | None = None
) -> Scales:
    """The scales of the parameters, or the default ones; with other tolerances if given.

    Raises:
        Refusal: a tolerance is no positive length.
    """
    given = params or Scales()
    tolerances = sorted(set(tolerances_mm or given.nsd_tolerances_mm))
    if strange := [mm for mm in tolerances if not 0 < mm < math.inf]:
        raise Refusal(
            f"a tolerance of {strange[0]:g} mm",
            expectation="a positive length",
            remedy="give another --tolerance",
        )
    return Scales(tolerances, given.calibre_edges_mm)


def read_coverage(path: Path) -> dict[str, State]:
    """What a file says is known: class → labelled, absent or unknown; or a record with that.

    Raises:
        Refusal: it says something else.
    """
    try:
        content = json.loads(path.read_text())
        states = content.get("coverage", content)
        sound = set(states) <= {*CLASSES, *VESSELS} and set(states.values()) <= set(get_args(State))
    except (OSError, ValueError, AttributeError, TypeError):
        sound = False
    if not sound:
        raise Refusal(
            "it does not say what is labelled",
            expectation=f"JSON with {', '.join(CLASSES)} (or {', '.join(VESSELS)}), each one of "
            f"{', '.join(get_args(State))}",
            remedy="correct it",
            file="the coverage",
        )
    return states


def _states(
    coverage: Mapping[str, State] | None, classes: Classes, expressed: set[str]
) -> dict[str, State]:
    """The state of each class: of one without a side, what is known of either side.

    What is said of artery (vein) without a side holds for both sides.
    """
    if coverage is None:
        return {name: "labelled" if name in expressed else "unknown" for name in classes}
    found: dict[str, State] = {}
    for name in classes:
        own = {coverage[c] for c in coverage if name in (c, vessel_of(c)) or c == vessel_of(name)}
        found[name] = next((s for s in ("labelled", "unknown", "absent") if s in own), "unknown")
    return found
