"""How much of the volume is right: Dice, sensitivity, precision, millilitres."""

from __future__ import annotations

import numpy as np

from lacaf.evaluate.masks import Masks


def overlap(masks: Masks, voxel_ml: float) -> dict[str, float | bool | None]:
    """Overlap of a subject whose reference is known.

    With P the predicted and R the reference voxels: DSC = 2|P∩R| / (|P|+|R|),
    sensitivity = |P∩R| / |R|, precision = |P∩R| / |P|. Both empty: DSC 1. R empty: sensitivity
    is None, there was nothing to find. P empty: precision 0 if there was something to find.
    ``missed``: the reference has the subject and not one of its voxels was predicted as it.
    """
    predicted = int(np.count_nonzero(masks.prediction))
    present = int(np.count_nonzero(masks.reference))
    common = int(np.count_nonzero(masks.prediction & masks.reference))
    precision: float | None = common / predicted if predicted else 0.0
    return {
        "dsc": 2 * common / (predicted + present) if predicted + present else 1.0,
        "sensitivity": common / present if present else None,
        "precision": precision if predicted + present else None,
        "reference_ml": present * voxel_ml,
        "prediction_ml": predicted * voxel_ml,
        "volume_difference_ml": (predicted - present) * voxel_ml,
        "missed": present > 0 and common == 0,
    }
