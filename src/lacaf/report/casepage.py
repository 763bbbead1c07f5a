"""The page of one case: slices and trees to turn, worst errors, decisions, files.

The viewer (``web/``) is written by hand, since NiiVue alone would put 2.9 MB of script into every
page (ours is 28 KB), and has no notion of what is wrong at a voxel, or of what is not known there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lacaf.classes import CLASSES
from lacaf.files import write_json, write_text
from lacaf.report import casescores, slicer
from lacaf.report.casefigures import comparison, decided
from lacaf.report.casevolumes import (
    REFERENCE,
    CaseVolumes,
    converted,
    harmonized,
    raw_labels,
    segmented,
)
from lacaf.report.decisions import decisions
from lacaf.report.findings import Findings
from lacaf.report.manifest import package_version
from lacaf.report.mistakes import LEAST_MM, mistakes, tolerance_mm
from lacaf.report.overlay import DOTS_PER_INCH, WINDOW_HU, save
from lacaf.report.packing import data_url
from lacaf.report.palette import BACKDROP_HEX, PALETTES, Palette
from lacaf.report.planes import choose
from lacaf.report.preview import WINDOWS_HU, Preview, preview
from lacaf.report.rendering import render
from lacaf.report.scene import Scene, build
from lacaf.report.thumbnail import thumbnail

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: So many of a run's worst errors go into the case's record, for the report.
MOST_TOLD = 5


def write_case(
    findings: Findings, case: str, folder: Path, chosen: str, title: str, *, full: bool
) -> dict[str, Any]:
    """Write ``<case>.html``, ``<case>.png`` and ``<case>.json`` into a folder.

    Args:
        findings: what there is to report; of other cases nothing is needed.
        case: its name.
        folder: ``reports/cases``.
        chosen: name of the palette.
        title: of the report.
        full: whether a segmented case gets slices to scroll and trees to turn.

    Returns:
        What the report needs of the case (the content of its JSON file).
    """
    palette = PALETTES[chosen]
    base = converted(findings, case)
    shown = segmented(findings, base)
    content = page_content(findings, base, palette) | {"title": title, "linked": True}
    about: dict[str, Any] = {"case": case, "full": False, "mistakes": {}}
    figure = folder / f"{case}.png"
    if shown.image is not None and shown.runs:
        scene = build(
            shown.labels, REFERENCE if REFERENCE in shown.labels else None, shown.coverage
        )
        content["still"] = still(comparison(shown, scene, palette), figure, caption(shown), case)
        content["segmented"] = True
        small = preview(shown.image, shown.labels, shown.lungs)
        worst = _worst(shown, small)
        about["mistakes"] = {run: found[:MOST_TOLD] for run, found in worst.items()}
        if full:
            about["full"] = True
            content["viewer"] = _viewer(findings, shown, small, scene, worst)
            content["sections"] = [("errors", "Errors")] if worst else []
            content["sections"] += content.pop("later")
    else:
        save(decision_figure(findings, base, palette), figure)
    about["thumbnail"] = thumbnail(findings, case, palette)
    files = slicer.files(findings, case)
    content["files"] = [(name, os.path.relpath(path, folder)) for name, path in files]
    content["slicer"] = slicer.console(files) if files else ""
    write_text(folder / f"{case}.html", render("case.html", chosen, **content))
    write_json(folder / f"{case}.json", about)
    return about


def page_content(findings: Findings, base: CaseVolumes, palette: Palette) -> dict[str, Any]:
    """What the page of any case says: who it is, decisions with a picture, scores."""
    case = base.case
    row = findings.cases[case]
    refusal = findings.refusal(case)
    otherwise = "refused" if refusal else "pending"
    coverage = findings.coverage(case)
    scores = casescores.tables(findings, case)
    later = [("scores", "Scores")] if scores else []
    later += [("decisions", "Decisions")]
    return {
        "case": case,
        "patient": row.patient,
        "split": row.split,
        "nature": "SYNTHETIC" if case in findings.synthetic() else "REAL CT",
        "states": {name: coverage.get(name, otherwise) for name in CLASSES},
        "refused": refusal,
        "viewer": None,
        "still": None,
        "segmented": False,
        "scores": scores,
        "stages": decisions(findings, case),
        "picture": _decision_picture(findings, base, palette),
        "sections": later,
        "later": later,
        "files": [],
        "slicer": "",
        "version": package_version(),
    }


def decision_figure(findings: Findings, base: CaseVolumes, palette: Palette) -> Figure:
    """The CT with lungs and labels; without a CT a card that says why there is none."""
    case, shown = base.case, harmonized(findings, base)
    refusal = findings.refusal(case)
    told = f"refused by {refusal['stage']}: {refusal['finding']}" if refusal else ""
    if shown.image is None:
        return card(case, told or "not converted yet")
    raw = raw_labels(findings, case) if not shown.labels else []
    return decided(shown, raw, palette, f"{case}: {told}" if told else "")


def still(drawn: Figure, path: Path | None, caption: str, case: str) -> dict[str, Any]:
    """A figure for a page, also kept as PNG."""
    content = save(drawn, path)
    width, height = drawn.get_size_inches() * DOTS_PER_INCH
    return {
        "src": data_url(content, "image/webp"),
        "width": round(width),
        "height": round(height),
        "alt": f"Axial, coronal and sagittal slices and vessel trees of case {case}",
        "caption": caption,
    }


def _decision_picture(
    findings: Findings, base: CaseVolumes, palette: Palette
) -> dict[str, Any] | None:
    if base.image is None:
        return None
    low, high = WINDOW_HU
    caption = (
        f"CT from {low:.0f} to {high:.0f} HU with the lungs that crop found, and the labels as "
        "harmonize left them. Stripes: unknown, neither learnt from nor scored. L is the "
        "patient's left, R right, A front, P back, H head, F feet."
    )
    return still(decision_figure(findings, base, palette), None, caption, base.case)


def caption(shown: CaseVolumes) -> str:
    """What a comparison shows, and what it cannot judge."""
    if not shown.reference_name:
        return "No reference: this case has no labels, so errors cannot be marked."
    unknown = sum(state == "unknown" for state in shown.coverage.values())
    note = f" {unknown} of {len(CLASSES)} classes unknown, not judged." if unknown else ""
    return (
        f"Where a prediction differs from the {shown.reference_name}, the colour of the error "
        f"takes the place of the class's; in the trees on the right, grey is right.{note}"
    )


def _worst(shown: CaseVolumes, small: Preview) -> dict[str, list[dict[str, Any]]]:
    """The worst errors of each run; none where there is no reference."""
    reference = small.labels.get(REFERENCE)
    if reference is None:
        return {}
    return {
        run: [
            one.packed()
            for one in mistakes(
                small.labels[run], reference, shown.coverage, small.grid, shown.lungs
            )
        ]
        for run in shown.runs
    }


def _viewer(
    findings: Findings,
    shown: CaseVolumes,
    small: Preview,
    scene: Scene | None,
    worst: Mapping[str, list[dict[str, Any]]],
) -> dict[str, Any]:
    """What the part of the page that can be scrolled and turned is made from."""
    judged = REFERENCE in shown.labels
    sets = [{"key": key, "title": shown.title(key)} for key in shown.labels]
    data = {
        "slices": small.packed(),
        "scene": scene.packed if scene else None,
        "sets": sets,
        "judged": judged,
        "coverage": dict(shown.coverage),
        "start": _start(shown, small),
    }
    return {
        "data": data,
        "judged": judged,
        "reference": shown.reference_name,
        "sets": sets,
        "scene": scene is not None,
        "windows": WINDOWS_HU,
        "mistakes": worst,
        "least": LEAST_MM,
        "tolerance": tolerance_mm(small.grid),
        "spacing": " × ".join(f"{v:.2g}" for v in small.grid.spacing_mm),
        "brief": [
            {"name": run, "text": casescores.brief(findings, shown.case, run)} for run in shown.runs
        ]
        if judged
        else [],
    }


def _start(shown: CaseVolumes, small: Preview) -> list[int]:
    """The voxel that the page shows first: the planes of the still picture."""
    assert shown.image is not None
    planes = choose(list(shown.labels.values())[:1], shown.lungs, shown.image.grid)
    at_mm = np.array([p.grid.affine[2 - p.axis, 3] for p in planes])  # z, y, x
    index = np.rint(small.grid.to_index(at_mm[::-1])).astype(int)
    return [int(v) for v in np.clip(index, 0, np.array(small.grid.shape) - 1)]


def card(title: str, told: str) -> Figure:
    """A picture of words, where there is nothing to show."""
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(8, 1.6), dpi=DOTS_PER_INCH, facecolor=BACKDROP_HEX)
    canvas.text(0.5, 0.62, title, color="white", ha="center", fontsize=13)
    canvas.text(0.5, 0.3, told, color="#d7dde5", ha="center", fontsize=9, wrap=True)
    return canvas
