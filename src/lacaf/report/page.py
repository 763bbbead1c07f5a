"""The first page and the cohort's page: what was run, how good it is, where it fails, in whom."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from lacaf import files
from lacaf.cases import Case
from lacaf.params.whole import Params
from lacaf.report import brief, classscores, cohort, cost, scores, tables
from lacaf.report.casefigures import comparison
from lacaf.report.casepage import caption, still
from lacaf.report.casevolumes import REFERENCE, converted, segmented
from lacaf.report.charts import coverage_map, in_one, map_style
from lacaf.report.curves import LINES, Line, line_chart
from lacaf.report.findings import Findings, Run, gather, read_json
from lacaf.report.manifest import manifest, package_version
from lacaf.report.palette import PALETTES
from lacaf.report.rendering import render
from lacaf.report.scene import build
from lacaf.report.slicer import COLOUR_TABLE, colour_table

CURVES = (
    ("train_loss", "Training loss"),
    ("val_loss", "Validation loss"),
    ("val_dice", "Validation Dice, mean of the classes"),
    ("identity_accuracy", "Validation: artery/vein accuracy of vessel voxels"),
)
#: So many of the worst errors of all cases stand on the first page.
MOST_ERRORS = 10


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
    charts = _charts(findings, root, pages)
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
    index = content | _scores(findings, pages) | _training(findings) | {"hero": hero}
    index["cost"] = cost.by_stage(root / "logs" / "benchmarks")
    page = render("index.html", chosen, **index, sections=_sections(index))
    files.write_text(folder / "index.html", page)
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


def _scores(findings: Findings, pages: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """All that the first page says of scores."""
    against = scores.best_reference(findings)
    run = brief.main_run(findings)
    worst = brief.worst_errors(findings, pages, run, MOST_ERRORS)
    folder = findings.data / "evaluate" / "tables"
    return {
        "scored_on": scores.scored_on(findings),
        "brief": brief.in_brief(findings, worst),
        "cards": scores.cards(findings),
        "no_scores": _why_no_scores(findings),
        "scores": scores.headline(findings),
        "by_class": classscores.by_class(findings),
        "by_calibre": classscores.by_calibre(findings, against),
        "by_generation": classscores.by_generation(findings, against),
        "against": scores.AGAINST.get(against, ""),
        "experiments_table": tables.read(folder / "experiments.csv"),
        "comparison_table": tables.read(folder / "comparison.csv"),
        "by_case": classscores.by_case(findings),
        "by_case_columns": classscores.BY_CASE_COLUMNS,
        "worst": worst,
        "worst_run": run,
    }


def _training(findings: Findings) -> dict[str, Any]:
    trained = findings.trained()
    kinds = {run.experiment: scores.network_name(findings, run.name) for run in trained}
    told = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
    return {
        "experiments": told or "none trained yet",
        "devices": ", ".join(sorted({run.model["device"] for run in trained})),
        "chart_legend": [
            (name, LINES[style % len(LINES)]) for name, style in scores.styles(findings).items()
        ],
        "trained": [_trained(findings, run) for run in trained],
    }


def _hero(findings: Findings, figures: Path, chosen: str) -> dict[str, Any] | None:
    """The figure of the first screen, in each palette: the test case of median DSC."""
    case = hero_case(findings)
    shown = segmented(findings, converted(findings, case)) if case else None
    if shown is None or shown.image is None or not shown.runs:
        return None
    scene = build(shown.labels, REFERENCE if REFERENCE in shown.labels else None, shown.coverage)
    pictures = {}
    for name, palette in PALETTES.items():
        path = figures / "hero.png" if name == chosen else None
        pictures[name] = still(comparison(shown, scene, palette), path, "", case)
    dsc = classscores.mean_dsc(findings, brief.main_run(findings), scores.best_reference(findings))
    why = "the one of median DSC, no chosen one" if case in dsc else "the first that was segmented"
    return {
        "case": case,
        "pictures": pictures,
        "why": why,
        "compared": caption(shown),
        "judged": REFERENCE in shown.labels,
    }


def hero_case(findings: Findings) -> str:
    """The case of median DSC among the scored ones, else the first segmented one; empty without."""
    dsc = classscores.mean_dsc(findings, brief.main_run(findings), scores.best_reference(findings))
    ranked = sorted((c for c in findings.segmented() if c in dsc), key=lambda c: dsc[c])
    if ranked:
        return ranked[(len(ranked) - 1) // 2]
    return next(iter(findings.segmented()), "")


def _charts(findings: Findings, root: Path, linked: Container[object]) -> dict[str, list[str]]:
    """The charts of the page by the name of their file."""
    splits: dict[str, list[dict[str, Any]]] = {}
    for row in cohort.matrix(findings):
        splits.setdefault(row["split"], []).append(row)
    ordered = {split: splits.get(split, []) for split in cohort.SPLITS}
    best = scores.best_reference(findings)
    bands = classscores.by_calibre(findings, best)
    return {
        "coverage": [coverage_map(ordered, linked)],
        "classes": [t["chart"] for t in classscores.by_class(findings) if t["against"] == best],
        "calibre": [chart["svg"] for chart in bands["charts"]],
        "curves": _curves(findings),
        "cost": cost.charts(root / "logs" / "benchmarks"),
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
        from lacaf.report.casepage import card
        from lacaf.report.overlay import save

        save(
            card("No case of split test or predict has been segmented yet", ""),
            figures / "hero.png",
        )


def _curves(findings: Findings) -> list[str]:
    """Training curves as SVG."""
    drawn = []
    for column, title in CURVES:
        lines = [
            Line(name, _points(findings.runs[name], column), style)
            for name, style in scores.styles(findings).items()
            if name in findings.runs
        ]
        drawn.append(line_chart(title, "step", [line for line in lines if line.points]))
    return [chart for chart in drawn if chart]


def _points(run: Run, column: str) -> list[tuple[float, float]]:
    pairs = ((row.get("step"), row.get(column)) for row in run.history)
    return [(step, value) for step, value in pairs if step is not None and value is not None]


def _trained(findings: Findings, run: Run) -> dict[str, Any]:
    last = run.history[-1] if run.history else {}
    seconds = last.get("seconds")
    learnt = (run.model.get("cases") or {}).get("train", {}).get("count", scores.DASH)
    return {
        "run": run.name,
        "network": scores.network_name(findings, run.name),
        "seed": scores.DASH if run.seed is None else run.seed,
        "cases": learnt,
        "steps": f"{last['step']:.0f}" if last.get("step") else scores.DASH,
        "minutes": f"{seconds / 60:.1f}" if seconds else scores.DASH,
        "device": run.model.get("device", scores.DASH),
    }


def _why_no_scores(findings: Findings) -> str:
    if not findings.trained():
        return "No model has been trained here, and none is named under infer.models."
    if not any(case.split == "test" for case in findings.cases.values()):
        return "No case has split test: the model was applied, not measured."
    return "The test cases have not been evaluated yet."


def _sections(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The page's sections: anchor and name."""
    return [
        ("top", "Summary"),
        *([("worst", "Failures")] if content["worst"] else []),
        *([("scores", "Scores")] if content["scores"] else []),
        *([("cases", "Cases")] if content["findings"].segmented() else []),
        ("cohort", "Cohort"),
        ("training", "Training"),
        ("cost", "Cost"),
        ("manifest", "Manifest"),
    ]
