"""The page: report."""

from __future__ import annotations

from pathlib import Path

from lacaf import layout
from lacaf.cli.entry import app, read_project


@app.command()
def report() -> None:
    """Write reports/index.html, one page that opens offline; its picture joins the MLflow runs."""
    from lacaf import tracking
    from lacaf.report import report as stage

    params, cases = read_project()
    about = stage(params, cases, layout.DATA, layout.REPORTS, Path.cwd())
    picture = layout.REPORTS / "figures" / "hero.png"
    for run in about["runs"].values():
        if picture.exists():
            tracking.reopen(run.get("mlflow_run_id")).artifact(picture)
    print(f"{layout.REPORTS}/index.html")
