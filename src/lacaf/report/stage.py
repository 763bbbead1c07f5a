"""The stage: the pages around those of the cases, and all that lies beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lacaf import files
from lacaf.cases import Case
from lacaf.params.whole import Params
from lacaf.report import cohort, cost, page
from lacaf.report.casefigures import comparison
from lacaf.report.casepage import caption, card, still
from lacaf.report.casevolumes import REFERENCE, converted, segmented
from lacaf.report.charts import in_one, map_style
from lacaf.report.findings import Findings, gather, read_json
from lacaf.report.manifest import manifest, package_version
from lacaf.report.overlay import save
from lacaf.report.palette import PALETTES
from lacaf.report.rendering import render
from lacaf.report.scene import build
from lacaf.report.slicer import COLOUR_TABLE, colour_table


def report(
    params: Params, cases: Mapping[str, Case], data: Path, folder: Path, root: Path
) -> dict[str, Any]:
    """Write the report of all that lies below ``data``; whatever is missing, the page says so.

    Writes ``index.html``, ``cohort.html``, ``manifest.json``, a colour table for 3D Slicer and
    ``figures/``. The pages of the cases are :func:`lacaf.report.casepage.write_case`'s; those of
    cases that left the table are removed.

    Args:
        params: the configuration.
        cases: the case table.
        data: folder of the stages.
        folder: where the report goes (``reports/``).
        root: the project's folder, for ``dvc.lock`` and Snakemake's benchmark files.

    Returns:
        The manifest.
    """
    findings = gather(params, cases, data)
    about = manifest(params, findings, root)
    pages = _pages(findings, folder / "cases")
    chosen = params.report.palette
    charts = page.charts(findings, root, pages)
    content = {
        "title": params.report.title,
        "version": package_version(),
        "findings": findings,
        "manifest": about,
        "nature": cohort.nature(findings),
        "pages": pages,
        "refused": cohort.refused(findings),
        "counts": cohort.counts(findings),
        "codings": cohort.codings(findings),
        "charts": charts,
    }
    with files.replacing(folder / "figures") as figures:
        hero = _hero(findings, figures, chosen)
        _write_charts(charts, figures, chosen)
    index = content | page.scored(findings, pages) | page.training(findings) | {"hero": hero}
    index["cost"] = cost.by_stage(root / "logs" / "benchmarks")
    front = render("index.html", chosen, **index, sections=page.sections(index))
    files.write_text(folder / "index.html", front)
    rows = cohort.matrix(findings)
    files.write_text(folder / "cohort.html", render("cohort.html", chosen, **content, rows=rows))
    files.write_text(folder / COLOUR_TABLE, colour_table(PALETTES[chosen]))
    files.write_json(folder / "manifest.json", about)
    return about


def _pages(findings: Findings, folder: Path) -> dict[str, dict[str, Any]]:
    """What the cases' pages told, by case; pages of cases that left the table are removed."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        if path.stem in findings.cases:
            found[path.stem] = read_json(path)
        else:
            for ending in (".html", ".png", ".json"):
                path.with_suffix(ending).unlink(missing_ok=True)
    return found


def _hero(findings: Findings, figures: Path, chosen: str) -> dict[str, Any] | None:
    """The figure of the first screen, in each palette: the test case of median DSC."""
    case = page.typical_case(findings)
    shown = segmented(findings, converted(findings, case)) if case else None
    if shown is None or shown.image is None or not shown.runs:
        return None
    scene = build(shown.labels, REFERENCE if REFERENCE in shown.labels else None, shown.coverage)
    pictures = {}
    for name, palette in PALETTES.items():
        path = figures / "hero.png" if name == chosen else None
        pictures[name] = still(comparison(shown, scene, palette), path, "", case)
    judged = case in page.mean_dsc(findings)
    why = "the one of median DSC, no chosen one" if judged else "the first that was segmented"
    return {
        "case": case,
        "pictures": pictures,
        "why": why,
        "compared": caption(shown),
        "judged": REFERENCE in shown.labels,
    }


def _write_charts(charts: Mapping[str, list[str]], figures: Path, chosen: str) -> None:
    """The charts as files, for Snakemake's own report; a sentence where there is nothing."""
    missing = {
        "coverage": "The case table has no case.",
        "classes": "No case has been scored.",
        "calibre": "The scores hold no numbers by calibre.",
        "curves": "No training has been recorded.",
        "cost": "No benchmark files of Snakemake here.",
    }
    for name, drawn in charts.items():
        style = map_style(PALETTES[chosen]) if name == "coverage" else ""
        text = in_one(name, [chart for chart in drawn if chart], missing[name], style)
        files.write_text(figures / f"{name}.svg", text)
    if not (figures / "hero.png").exists():
        empty = card("No case of split test or predict has been segmented yet", "")
        save(empty, figures / "hero.png")
