"""From predictions to numbers: evaluate, summarize, compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from lacaf import layout, records
from lacaf import params as parameters
from lacaf.cli.entry import app, made, read_project, tell


@app.command()
def evaluate(
    prediction: Annotated[Path, typer.Argument(help="Label volume, or a folder of stage infer.")],
    reference: Annotated[Path, typer.Argument(help="Label volume, or a folder of harmonize.")],
    coverage: Annotated[Path | None, typer.Option(help="JSON with what is labelled.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Hidden full truth of a phantom.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to keep scores.json in.")] = None,
) -> None:
    """Score a prediction on the CT's grid, only where the reference is known.

    Works on any two label volumes (NIfTI; 1 left artery, 2 left vein, 3 right artery, 4 right
    vein, 255 unknown), without the rest of the pipeline.
    """
    from lacaf.evaluate import evaluate as stage

    params_file = Path("params.yaml")
    settings = parameters.load(params_file).evaluate if params_file.exists() else None
    upstream = None
    if prediction.is_dir():
        upstream = records.read(prediction, "infer")
        prediction = prediction / "labels.nii.gz"
    if reference.is_dir():
        known = records.read(reference, "harmonize")
        upstream = upstream if upstream and upstream["status"] == "refused" else known
        coverage = coverage or reference / records.RECORD["harmonize"]
        reference = reference / "labels.nii.gz"
    if truth is not None and truth.is_dir():
        truth = truth / "labels.nii.gz"

    def work(_: Path) -> dict[str, Any]:
        for file in (prediction, reference, coverage, truth):
            if file is not None and not file.exists():
                raise records.Missing(f"{file} is missing: there is no such file or folder")
        states = json.loads(coverage.read_text()) if coverage else None
        states = states.get("coverage", states) if states else None
        return stage(prediction, reference, states, settings, truth)

    if out is None:
        from lacaf.evaluate import show

        print(show(work(Path())))
        return
    files = {"prediction": prediction, "reference": reference, "truth": truth}
    made_from = {k: records.digest_path(f) for k, f in files.items() if f and f.exists()}
    tell(records.carry_out("evaluate", out.name, out, made_from, work, upstream))


@app.command()
def summarize() -> None:
    """Gather all scores into tables, add them to the MLflow runs, and print them."""
    from lacaf import tracking
    from lacaf.evaluate import summarize as stage
    from lacaf.evaluate import table

    params, cases = read_project()
    scores, runs = [], {}
    for run, (experiment, seed) in params.runs().items():
        model = made(layout.DATA / "train" / run / "model.json")
        runs[run] = {"experiment": experiment, "seed": seed, "mlflow_run": model["mlflow_run_id"]}
    for run in params.infer.models:
        runs[run] = {"experiment": run, "seed": None, "mlflow_run": None}
    for run, about in runs.items():
        for case in cases.values():
            folder = layout.DATA / "evaluate" / run / case.case
            if case.split == "test":
                keys = {"run": run, "split": case.split, "patient": case.patient, **about}
                scores.append(records.read(folder, "evaluate") | keys)
    rows, summary, metrics = stage(scores, runs, params.evaluate)
    records.write_text(layout.DATA / "evaluate" / "scores.csv", rows.to_csv(index=False))
    records.write_json(layout.DATA / "evaluate" / "summary.json", summary)
    records.write_json(layout.REPORTS / "metrics.json", metrics)
    with records.replacing(layout.DATA / "evaluate" / "curves") as curves:
        for run in params.runs():
            history = layout.model(run, params) / "history.csv"
            (curves / f"{run}.csv").write_bytes(history.read_bytes())
    for run, about in runs.items():
        tracking.reopen(about["mlflow_run"]).metrics(tracking.flat(metrics.get(run, {})), step=0)
    print(table(summary))


@app.command()
def compare(
    runs: Annotated[list[str] | None, typer.Argument(help="Runs; all when none is named.")] = None,
) -> None:
    """Set experiments side by side, paired by patient."""
    from lacaf.evaluate import compare as stage

    path = layout.DATA / "evaluate" / "scores.csv"
    if not path.exists():
        raise records.Missing(f"{path} is missing: run `snakemake evaluate` first")
    print(stage(path, runs or None))
