"""From predictions to numbers: evaluate, summarize, compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from lacaf import digests, layout, records
from lacaf.cli.entry import app, read_project, tell
from lacaf.fault import Missing
from lacaf.files import read_json, replacing, write_json, write_text
from lacaf.params import whole as parameters

#: As the name of a file: print it instead.
STDOUT = Path("-")


@app.command()
def evaluate(
    prediction: Annotated[Path, typer.Argument(help="Label volume, or a folder of stage infer.")],
    reference: Annotated[Path, typer.Argument(help="Label volume, or a folder of harmonize.")],
    coverage: Annotated[Path | None, typer.Option(help="JSON with what is labelled.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Hidden full truth of a phantom.")] = None,
    coding: Annotated[
        str | None, typer.Option(help="What values mean: a coding's name, or 1=artery,2=vein.")
    ] = None,
    prediction_coding: Annotated[
        str | None, typer.Option(help="The same for the prediction, where it differs.")
    ] = None,
    tolerance: Annotated[
        list[float] | None, typer.Option(help="Of NSD, in mm; may be given several times.")
    ] = None,
    to_json: Annotated[
        Path | None, typer.Option("--json", help="File for all scores; - prints them.")
    ] = None,
    to_csv: Annotated[
        Path | None, typer.Option("--csv", help="File for a row a number; - prints them.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to keep scores.json in.")] = None,
) -> None:
    """Score a prediction on the CT's grid, only where the reference is known.

    Works on any two label volumes on one grid (NIfTI, NRRD, MetaImage), without the rest of the
    pipeline. Their values mean 1 left artery, 2 left vein, 3 right artery, 4 right vein and, in
    the reference, 255 unknown, unless --coding says otherwise.
    """
    of_stages = prediction.is_dir() or reference.is_dir()
    upstream = None
    if prediction.is_dir():
        upstream = _left_by("infer", prediction)
        prediction = prediction / "labels.nii.gz"
    if reference.is_dir():
        known = _left_by("harmonize", reference)
        upstream = upstream if upstream and upstream["status"] == "refused" else known
        coverage = coverage or records.path(reference, "harmonize")
        reference = reference / "labels.nii.gz"
    if truth is not None and truth.is_dir():
        truth = truth / "labels.nii.gz"
    params = parameters.load() if of_stages else None
    files = {"prediction": prediction, "reference": reference, "truth": truth}

    def work(_: Path) -> dict[str, Any]:
        from lacaf import evaluate as stage

        for file in (*files.values(), coverage):
            if file is not None and not file.exists():
                raise Missing(f"{file} is missing: there is no such file or folder")
        declared = params.all_codings() if params else {}
        return stage.evaluate(
            prediction,
            reference,
            stage.read_coverage(coverage) if coverage else None,
            stage.scales_of(params.evaluate if params else None, tolerance),
            truth,
            stage.coding(coding, declared) if coding else None,
            stage.coding(prediction_coding, declared) if prediction_coding else None,
        )

    if out is not None:
        made_from = {k: digests.digest_path(f) for k, f in files.items() if f and f.exists()}
        tell(records.carry_out("evaluate", out.name, out, made_from, work, upstream))
        return
    _hand_out(work(Path()), to_json, to_csv)


def _left_by(stage: str, folder: Path) -> dict[str, Any]:
    """The record in a folder that was given instead of a label volume."""
    if not records.path(folder, stage).exists():
        raise Missing(
            f"{folder} is a folder, and not one of stage {stage}: "
            f"{records.path(folder, stage).name} is missing; give a label volume"
        )
    return records.read(folder, stage)


def _hand_out(details: dict[str, Any], to_json: Path | None, to_csv: Path | None) -> None:
    """Print tables, or what was asked for instead, and write the files."""
    from lacaf.evaluate import as_csv, show

    wanted = {
        to_json: json.dumps(details, indent=2, allow_nan=False) + "\n",
        to_csv: as_csv(details),
    }
    for path, text in wanted.items():
        if path == STDOUT:
            print(text, end="")
        elif path is not None:
            write_text(path, text)
    if STDOUT not in wanted:
        print(show(details))


@app.command()
def summarize() -> None:
    """Gather all scores into tables, add them to the MLflow runs, and print them."""
    from lacaf import tracking
    from lacaf.evaluate import WHOLE, headline, tables
    from lacaf.evaluate import summarize as stage

    params, cases = read_project()
    runs = _runs(params)
    scores = []
    for run, about in runs.items():
        for case in (case for case in cases.values() if case.split == "test"):
            folder = layout.folder("evaluate", run, case.case)
            keys = {"run": run, "split": case.split, "patient": case.patient, **about}
            scores.append(records.read(folder, "evaluate") | keys)
    rows, summary, metrics = stage(scores, runs, params.evaluate)
    whole = rows["part"] == WHOLE
    for name, chosen in (("scores", whole), ("parts", ~whole)):
        text = rows[chosen].to_csv(index=False)
        write_text(layout.DATA / "evaluate" / f"{name}.csv", text)
    write_json(layout.DATA / "evaluate" / "summary.json", summary)
    write_json(layout.REPORTS / "metrics.json", metrics)
    with replacing(layout.DATA / "evaluate" / "tables") as folder:
        for table in tables(rows, summary, params.evaluate):
            for ending, text in table.formats().items():
                write_text(folder / f"{table.name}.{ending}", text)
    with replacing(layout.DATA / "evaluate" / "curves") as curves:
        for run in params.runs():
            history = layout.model(run, params) / "history.csv"
            (curves / f"{run}.csv").write_bytes(history.read_bytes())
    for run, about in runs.items():
        tracking.reopen(about["mlflow_run"]).metrics(tracking.flat(metrics.get(run, {})), step=0)
    print(headline(summary, params.evaluate).markdown(), end="")


def _runs(params: parameters.Params) -> dict[str, dict[str, Any]]:
    """All models that are scored: experiment, seed and MLflow run of each."""
    runs: dict[str, dict[str, Any]] = {}
    for run, (experiment, seed) in params.runs().items():
        model = read_json(layout.record("train", run))
        runs[run] = {"experiment": experiment, "seed": seed, "mlflow_run": model["mlflow_run_id"]}
    for run in params.infer.models:
        runs[run] = {"experiment": run, "seed": None, "mlflow_run": None}
    return runs


@app.command()
def compare(
    runs: Annotated[list[str] | None, typer.Argument(help="Runs; all when none is named.")] = None,
) -> None:
    """Set experiments side by side, paired by patient."""
    from lacaf.evaluate import compare as stage

    path = layout.DATA / "evaluate" / "scores.csv"
    if not path.exists():
        raise Missing(f"{path} is missing: run `snakemake evaluate` first")
    print(stage(path, runs or None))
