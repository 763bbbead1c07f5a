"""The page: everything that was found, in one file that opens offline."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from lacaf import records
from lacaf.cases import Case
from lacaf.params import Params
from lacaf.report import cohort, cost, palette, scores
from lacaf.report.cases import REFERENCE, Portrayed, portray
from lacaf.report.curves import LINES, Line, line_chart, standalone
from lacaf.report.findings import Findings, Run, gather
from lacaf.report.manifest import manifest
from lacaf.report.overlay import DOTS_PER_INCH, WINDOW_HU, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = (
    ("train_loss", "Training loss"),
    ("val_loss", "Validation loss"),
    ("val_dice", "Validation Dice, mean of the classes"),
    ("identity_accuracy", "Validation: artery/vein accuracy of vessel voxels"),
)


def report(
    params: Params, cases: Mapping[str, Case], data: Path, folder: Path, root: Path
) -> dict[str, Any]:
    """Write the report of all that lies below ``data``; whatever is missing, the page says so.

    Writes ``index.html`` (self-contained), ``manifest.json``, ``figures/`` (a PNG a case, the
    curves as SVG).

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
    most = params.report.overlay_cases
    most = len(cases) if most == "all" else most
    with records.replacing(folder / "figures") as figures:
        charts = _curves(findings, figures)
        pictures, scenes, hero = _pictures(findings, most, figures)
    content = {
        "title": params.report.title,
        "findings": findings,
        "manifest": about,
        "nature": cohort.nature(findings),
        "scored_on": scores.scored_on(findings),
        "experiments": _experiments(findings),
        "devices": ", ".join(sorted({r.model["device"] for r in findings.trained()})),
        "cards": scores.cards(findings),
        "no_scores": _why_no_scores(findings),
        "hero": hero,
        "scores": scores.headline(findings),
        "by_class": scores.by_class(findings),
        "by_case": scores.by_case(findings),
        "by_case_columns": scores.BY_CASE_COLUMNS,
        "pictures": pictures,
        "left_out": len(findings.segmented()) - len(pictures),
        "no_pictures": "No case of split test or predict has been segmented yet.",
        "window": WINDOW_HU,
        "scenes": scenes,
        "counts": cohort.counts(findings),
        "codings": cohort.codings(findings),
        "matrix": cohort.matrix(findings),
        "refused": cohort.refused(findings),
        "charts": list(charts.values()),
        "chart_legend": [(r.name, LINES[i % len(LINES)]) for i, r in _with_history(findings)],
        "trained": [_training(findings, run) for run in findings.trained()],
        "cost": cost.by_stage(root / "logs" / "benchmarks"),
        "viewer_setup": _json(
            {
                "classes": palette.CLASS_HEX,
                "errors": [palette.RIGHT_HEX, *palette.ERROR_HEX.values(), palette.NOT_KNOWN_HEX],
                "backdrop": palette.BACKDROP_HEX,
            }
        ),
    }
    records.write_text(folder / "index.html", render(content))
    records.write_json(folder / "manifest.json", about)
    return about


def render(content: Mapping[str, Any]) -> str:
    """The page as HTML. Text is escaped; only our own charts and scripts are not."""
    here = resources.files("lacaf.report")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(here.joinpath("template.html").read_text("utf-8"))
    sections = [
        ("top", "Summary"),
        *([("scores", "Scores")] if content["scores"] else []),
        *([("viewer-section", "3D")] if content["pictures"] else []),
        ("cases", "Cases"),
        ("cohort", "Cohort"),
        ("training", "Training"),
        ("cost", "Cost"),
        ("manifest", "Manifest"),
    ]
    return template.render(
        **content,
        sections=sections,
        style=_trusted(here.joinpath("style.css").read_text("utf-8")),
        viewer=here.joinpath("viewer.js").read_text("utf-8"),
        class_hex=palette.CLASS_HEX,
        class_name=palette.CLASS_NAME,
        legend=_legend,
        duration=duration,
    )


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def _pictures(
    findings: Findings, most: int, figures: Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any] | None]:
    """Figures of the first cases, scenes for the viewer, and the figure of the first screen."""
    pictures: list[dict[str, Any]] = []
    scenes: list[dict[str, Any]] = []
    hero = None
    for case in findings.segmented()[:most]:
        shown = portray(findings, case)
        if shown is None:
            continue
        if hero is None:
            hero = _picture(shown.hero(), figures / "hero.png", shown)
            hero["caption"] = f"Case {case}, split {findings.cases[case].split}. {_caption(shown)}"
        picture = _picture(shown.figure(), figures / f"{case}.png", shown)
        picture |= {
            "split": findings.cases[case].split,
            "caption": _caption(shown),
            "decisions": cohort.decisions(findings, case),
            "scene": shown.scene is not None,
        }
        pictures.append(picture)
        if shown.scene:
            titles = {key: _title(shown, key) for key in shown.labels}
            scenes.append({"case": case, "json": _json(shown.scene.packed | {"titles": titles})})
    return pictures, scenes, hero


def _picture(drawn: Figure, path: Path, shown: Portrayed) -> dict[str, Any]:
    content = base64.b64encode(save(drawn, path)).decode()
    width, height = drawn.get_size_inches() * DOTS_PER_INCH
    runs = ", ".join(_title(shown, key) for key in shown.labels)
    return {
        "case": shown.case,
        "src": f"data:image/webp;base64,{content}",
        "width": round(width),
        "height": round(height),
        "alt": f"Axial, coronal and sagittal slices and vessel trees of case {shown.case}: {runs}",
    }


def _caption(shown: Portrayed) -> str:
    if not shown.reference_name:
        return "No reference: this case has no labels, so errors cannot be marked."
    unknown = sum(state == "unknown" for state in shown.coverage.values())
    note = f" {unknown} of 4 classes unknown, not judged." if unknown else ""
    return (
        f"Where a prediction differs from the {shown.reference_name}, the colour of the error "
        f"takes the place of the class's.{note}"
    )


def _title(shown: Portrayed, key: str) -> str:
    return shown.reference_name if key == REFERENCE else key


def _curves(findings: Findings, figures: Path) -> dict[str, str]:
    """Training curves as SVG by column, also kept as files."""
    charts = {}
    for column, title in CURVES:
        lines = [
            Line(run.name, _points(run, column), style) for style, run in _with_history(findings)
        ]
        chart = line_chart(title, "step", lines)
        if chart:
            charts[column] = chart
            records.write_text(figures / f"{column}.svg", standalone(chart))
    return charts


def _points(run: Run, column: str) -> list[tuple[float, float]]:
    pairs = ((row.get("step"), row.get(column)) for row in run.history)
    return [(step, value) for step, value in pairs if step is not None and value is not None]


def _with_history(findings: Findings) -> list[tuple[int, Run]]:
    return list(enumerate(run for run in findings.runs.values() if run.history))


def _training(findings: Findings, run: Run) -> dict[str, Any]:
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


def _experiments(findings: Findings) -> str:
    trained = {
        run.experiment: scores.network_name(findings, run.name) for run in findings.trained()
    }
    return ", ".join(f"{name} ({kind})" for name, kind in trained.items()) or "none trained yet"


def _why_no_scores(findings: Findings) -> str:
    if not findings.trained():
        return "No model has been trained here, and none is named under infer.models."
    if not any(case.split == "test" for case in findings.cases.values()):
        return "No case has split test: the model was applied, not measured."
    return "The test cases have not been evaluated yet."


def _legend() -> Markup:
    """The colours of classes and errors."""
    entries = [(palette.CLASS_HEX[n], palette.CLASS_NAME[n]) for n in palette.CLASS_HEX]
    entries += [
        (palette.ERROR_HEX[n], f"error: {palette.ERROR_NAME[n]}") for n in palette.ERROR_HEX
    ]
    items = "".join(
        f'<li><span class="swatch" style="background:{colour}"></span>{name}</li>'
        for colour, name in entries
    )
    return _trusted(f'<ul class="swatches">{items}</ul>')


def _json(content: Any) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


def _trusted(text: str) -> Markup:
    return Markup(text)
