"""The stage: render a synthetic case and hand it over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lacaf.cases import Case
from lacaf.coding import Coding
from lacaf.params.phantom import Phantom
from lacaf.phantom.handover import hand_over
from lacaf.phantom.render import render


def phantom(
    case: Case, params: Phantom, coding: Coding | None, raw: Path, truth: Path
) -> dict[str, Any]:
    """Write a synthetic case as DICOM and label files into ``raw``, its whole truth into ``truth``.

    The same name, row, parameters and coding give the same bytes.

    Args:
        case: the row of the case table; its paths below the case's folder name the files.
        params: section phantom.
        coding: what the values or files of the labels mean; None if the case has none.
        raw: empty folder of the case, as ``data/raw/<case>``.
        truth: folder for ``labels.nii.gz`` and ``lungs.nii.gz`` on the CT's grid.

    Returns:
        Details for the record: contrast phase, HU of the blood, findings, noise, volumes in ml,
        and under ``handed_over`` geometry, storage and labelled side.
    """
    rendered = render(case.case, params)
    return hand_over(rendered, case, coding, params.seed, raw, truth)
