"""The pages: report, inspect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lacaf import layout
from lacaf.cli.entry import CaseName, app, read_case, read_project


@app.command()
def report(
    case: Annotated[
        str | None, typer.Argument(help="Only this case's page; without, the report around them.")
    ] = None,
    full: Annotated[
        bool, typer.Option(help="Slices to scroll and trees to turn on the case's page.")
    ] = True,
) -> None:
    """Write reports/index.html, or one case's page; they open offline.

    The pages of the cases come first (`snakemake report` makes all); the report links those that
    are there. Its first picture joins the MLflow runs.
    """
    if case is not None:
        _case_page(case, full)
        return
    from lacaf import tracking
    from lacaf.report import report as stage

    params, cases = read_project()
    about = stage(params, cases, layout.DATA, layout.REPORTS, Path.cwd())
    picture = layout.REPORTS / "figures" / "hero.png"
    for run in about["runs"].values():
        if picture.exists():
            tracking.reopen(run.get("mlflow_run_id")).artifact(picture)
    print(f"{layout.REPORTS}/index.html")


def _case_page(case: str, full: bool) -> None:
    from lacaf.report import gather, write_case

    params, row = read_case(case)
    findings = gather(params, {case: row}, layout.DATA)
    folder = layout.REPORTS / "cases"
    section = params.report
    write_case(findings, case, folder, section.palette, section.title, full=full)
    print(f"{folder}/{case}.html")


@app.command()
def inspect(
    case: CaseName,
    out: Annotated[
        Path | None,
        typer.Option(help="Page (.html) or picture (.png); reports/inspect/<case>.html without."),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Show what convert, crop and harmonize decided about a case, with a picture.

    Needs no model, and works for refused cases: a look of ten seconds before any training.
    """
    from lacaf.report import gather, inspection

    params, row = read_case(case)
    findings = gather(params, {case: row}, layout.DATA)
    path = out or layout.REPORTS / "inspect" / f"{case}.html"
    inspection.inspect(findings, case, path, params.report.palette, params.report.title)
    inspection.show(findings, case)
    print(path)
    if show:
        typer.launch(str(path))
