"""What convert, crop and harmonize decided about a case, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lacaf.report.findings import STAGES, Findings

#: In a record, but no decision: digests, and matrices that nobody reads.
NOT_TOLD = ("made_from", "case", "stage", "status", "refusal", "flags")
MATRIX = "affine_lps_xyz"


@dataclass
class Decided:
    """What one stage says of a case.

    Attributes:
        stage: its word.
        status: ok, refused, ``not reached`` after a refusal, ``not run``.
        facts: the decisions that a reader should know, as pairs of name and value.
        notes: what the stage found worth a remark.
        record: all of the record, as flat pairs.
    """

    stage: str
    status: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    record: list[tuple[str, str]] = field(default_factory=list)


def decisions(findings: Findings, case: str) -> list[Decided]:
    """Each data stage in order."""
    told = []
    for stage in STAGES:
        record = findings.case_records[case].get(stage)
        if record is None:
            told.append(Decided(stage, "not run"))
        elif record.get("status") == "refused":
            own = record["refusal"]["stage"] == stage
            told.append(Decided(stage, "refused" if own else "not reached"))
        else:
            facts = [
                (name, findings.redacted(case, str(value)))
                for name, value in (FACTS[stage](record) if stage in FACTS else [])
                if value
            ]
            notes = [findings.redacted(case, str(flag)) for flag in record.get("flags") or []]
            whole = [(k, findings.redacted(case, v)) for k, v in flat(record)]
            told.append(Decided(stage, "ok", facts, notes, whole))
    return told


def flat(record: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A record as pairs of a dotted key and a value; digests and matrices are left out."""
    pairs: list[tuple[str, str]] = []
    for key, value in record.items():
        if (not prefix and key in NOT_TOLD) or key == MATRIX:
            continue
        if isinstance(value, Mapping):
            pairs += flat(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            pairs.append((f"{prefix}{key}", text))
    return pairs


def _convert(record: Mapping[str, Any]) -> list[tuple[str, Any]]:
    image, chosen = record.get("image") or {}, record.get("chosen") or {}
    aside = record.get("left_aside") or {}
    labels = record.get("labels") or {}
    return [
        ("CT came as", record.get("kind")),
        ("Chosen because", chosen.get("why")),
        ("Slices used", chosen.get("slices")),
        ("Kernel", chosen.get("kernel")),
        ("Left aside", ", ".join(f"{n} × {what}" for what, n in aside.items())),
        ("Voxels, z × y × x", " × ".join(str(n) for n in image.get("shape_zyx", []))),
        ("Spacing, mm", " × ".join(f"{s:.3g}" for s in image.get("spacing_mm_zyx", []))),
        ("Axes x, y, z grow to", image.get("orientation")),
        ("Oblique by", _degrees(image.get("oblique_degrees"))),
        ("HU", " to ".join(str(v) for v in image.get("hu_range", []))),
        ("Label files", ", ".join(labels.get("files") or {})),
    ]


def _crop(record: Mapping[str, Any]) -> list[tuple[str, Any]]:
    method = record.get("method") or {}
    working = record.get("working") or {}
    return [
        ("Lungs, ml", _pairs(record.get("lungs_ml"))),
        ("Lungs found by", method.get("lungs")),
        ("Left and right parted by", method.get("parting")),
        ("Anatomy and the file's axes", _anatomy(record.get("orientation") or {})),
        ("Working grid, z × y × x", " × ".join(str(n) for n in working.get("shape_zyx", []))),
    ]


def _harmonize(record: Mapping[str, Any]) -> list[tuple[str, Any]]:
    decided = record.get("decisions") or {}
    side = record.get("labelled_side") or {}
    checks = record.get("checks") or {}
    return [
        ("Coding of the labels", decided.get("coding")),
        ("Labelled side, declared", side.get("declared")),
        ("Labelled side, found", side.get("found")),
        ("Sides from", decided.get("sides_from")),
        ("Central vessels", decided.get("central")),
        ("Mediastinum", decided.get("mediastinum")),
        ("Labelled vessels, ml", _pairs(record.get("ml"))),
        ("Labelled in the lungs, ml", _pairs(record.get("ml_in_lungs"))),
        ("Fraction of it in the lungs", _fraction(checks.get("in_lungs_share"))),
        ("HU of labels, of the lung around", _contrast(checks.get("hu") or {})),
        ("Would fit better", _placement(checks.get("placement") or {})),
    ]


#: What a reader should know of a stage's record; of a stage without an entry the record is shown.
FACTS = {"convert": _convert, "crop": _crop, "harmonize": _harmonize}


def _anatomy(orientation: Mapping[str, Any]) -> str:
    """What the anatomy says of each axis, whatever the file says."""
    told = [
        f"{axis.replace('_', '–')} {sign['says']}"
        for axis, sign in orientation.items()
        if isinstance(sign, Mapping) and "says" in sign
    ]
    return ", ".join(told)


def _contrast(hu: Mapping[str, Any]) -> str:
    values = hu.get("all"), hu.get("lung_around")
    return " / ".join(f"{v:.0f}" for v in values if v is not None)


def _placement(placement: Mapping[str, Any]) -> str:
    """Where the labels would lie on brighter voxels; empty if they do so where they are."""
    shift = placement.get("shift_mm_lps") or []
    told = []
    if any(abs(v) > 0.5 for v in shift):
        told.append(f"shifted by {', '.join(f'{v:.0f}' for v in shift)} mm (left, back, head)")
    if placement.get("mirrored"):
        told.append(f"mirrored: {', '.join(str(axis) for axis in placement['mirrored'])}")
    return "; ".join(told)


def _fraction(value: Any) -> str:
    return f"{100 * value:.0f} %" if isinstance(value, int | float) else ""


def _degrees(value: Any) -> str:
    return f"{value:.1f}°" if isinstance(value, int | float) and value > 0 else ""


def _pairs(values: Any) -> str:
    if not isinstance(values, dict):
        return ""
    return ", ".join(f"{name.replace('_', ' ')} {value:.0f}" for name, value in values.items())
