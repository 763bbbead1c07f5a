"""What the first page says: how good the model is, where it fails, what was trained, in whom."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from lacaf.report import brief, classscores, cohort, cost, recipes, scores, tables
from lacaf.report.charts import coverage_map
from lacaf.report.curves import LINES, Line, line_chart
from lacaf.report.findings import Findings, Run

CURVES = (
    ("train_loss", "Training loss"),
    ("val_loss", "Validation loss"),
    ("val_dice", "Validation Dice, mean of the classes"),
    ("identity_accuracy", "Validation: artery/vein accuracy of vessel voxels"),
)
#: So many of the worst errors of all cases stand on the first page.
MOST_ERRORS = 10


def scored(findings: Findings, pages: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
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


def training(findings: Findings) -> dict[str, Any]:
    """What the first page says of the experiments and how they were trained."""
    trained = findings.trained()
    kinds = {run.experiment: scores.network_name(findings, run.name) for run in trained}
    differences = recipes.differences({run.name: run.model for run in trained})
    recipe_of = [(run, differences[run.name]) for run in trained]
    told = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
    return {
        "experiments": told or "none trained yet",
        "devices": ", ".join(sorted({run.model["device"] for run in trained})),
        "chart_legend": [
            (name, LINES[style % len(LINES)]) for name, style in scores.styles(findings).items()
        ],
        "trained": [_trained(findings, run, recipe) for run, recipe in recipe_of],
        "recipes_differ": any(recipe for _, recipe in recipe_of),
    }


def mean_dsc(findings: Findings) -> dict[str, float]:
    """Mean DSC of each case that was scored, of the run that the page speaks of first."""
    run, against = brief.main_run(findings), scores.best_reference(findings)
    return classscores.mean_dsc(findings, run, against)


def typical_case(findings: Findings) -> str:
    """The case of median DSC among the scored ones, else the first segmented one; empty without."""
    dsc = mean_dsc(findings)
    ranked = sorted((c for c in findings.segmented() if c in dsc), key=lambda c: dsc[c])
    if ranked:
        return ranked[(len(ranked) - 1) // 2]
    return next(iter(findings.segmented()), "")


def charts(findings: Findings, root: Path, linked: Container[object]) -> dict[str, list[str]]:
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


def _trained(findings: Findings, run: Run, recipe: str) -> dict[str, Any]:
    last = run.history[-1] if run.history else {}
    seconds = last.get("seconds")
    learnt = (run.model.get("cases") or {}).get("train", {}).get("count", scores.DASH)
    return {
        "run": run.name,
        "network": scores.network_name(findings, run.name),
        "recipe": recipe,
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


def sections(content: Mapping[str, Any]) -> list[tuple[str, str]]:
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
