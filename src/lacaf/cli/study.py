"""A study: study run, study tables."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lacaf import digests, files, layout, records, tracking
from lacaf.cases import Case
from lacaf.cli.entry import app, read_project
from lacaf.cli.training import (
    LEARNT_FROM,
    Device,
    Options,
    SaveEvery,
    Workers,
    run_training,
)
from lacaf.fault import Missing, Refusal
from lacaf.params.section import ParamsError
from lacaf.params.whole import Params

if TYPE_CHECKING:
    from lacaf.infer import Model
    from lacaf.study import Scored

studies = typer.Typer(
    no_args_is_help=True,
    help="Train many experiments with several seeds each, and set their scores side by side.",
)
app.add_typer(studies, name="study")

STUDY = layout.DATA / "study"


@studies.command("run")
def run_one(
    experiment: Annotated[str, typer.Argument(help="Name of an experiment of the study.")],
    seed: Annotated[int, typer.Option(min=0, help="One of the study's seeds.")] = 0,
    device: Device = "auto",
    workers: Workers = None,
    save_every: SaveEvery = 300.0,
) -> None:
    """Train one experiment of the study with one seed, and score it on all test cases.

    A run that was stopped goes on where it was; a model that is there already, made from the same
    things, is not trained again. Predictions are scored and thrown away.
    """
    whole, cases = read_project()
    params = whole.of_study()
    if experiment not in params.train.experiments:
        raise ParamsError(
            f"params.yaml: study.experiments has no {experiment!r}; "
            f"it has {', '.join(params.train.experiments) or 'none'}"
        )
    name = f"{experiment}-s{seed}"
    folder = layout.folder("study", name)
    learnt = layout.learnt_from(experiment, seed, params, cases.values())
    if _is_there(folder, learnt):
        print(f"{name}: the model is there, made from the same things")
    else:
        parent = tracking.study(_digest(whole))
        options = Options(device, workers, save_every=save_every)
        saved = layout.checkpoint(f"study/{name}")
        if run_training(experiment, seed, params, cases, folder, saved, options, parent) is None:
            return
    _score(experiment, seed, params, cases, folder, device)


def _is_there(folder: Path, learnt: Mapping[str, str]) -> bool:
    """Whether a trained model lies there that was made from the same things."""
    wanted = (folder / LEARNT_FROM, folder / "model.json", folder / "model.pt")
    return all(path.exists() for path in wanted) and files.read_json(wanted[0]) == dict(learnt)


def _score(
    experiment: str,
    seed: int,
    params: Params,
    cases: Mapping[str, Case],
    folder: Path,
    device: str,
) -> None:
    """Score a model on all test cases; the record and the table beside it come last."""
    from lacaf.infer import load
    from lacaf.study import Scored, as_csv, means

    begin = time.monotonic()
    model = load(folder, device)
    rows, refused = [], {}
    for case in (case for case in cases.values() if case.split == "test"):
        try:
            rows.append(_row(case, model, params))
        except Refusal as refusal:
            refused[case.case] = refusal.details
    scored = Scored(experiment, seed, rows)
    found = means(scored)
    record = {
        "run": folder.name,
        "stage": "study",
        "weights_sha256": model.about["weights_sha256"],
        "refused": refused,
        "seconds": round(time.monotonic() - begin, 2),
    }
    files.write_text(folder / "scores.csv", as_csv(rows))
    files.write_json(folder / "scores.json", record)
    # The means alone: the table names patients, and MLflow's store may be anybody's.
    tracker = tracking.reopen(model.about["mlflow_run_id"])
    tracker.metrics(tracking.flat({"test": found}), step=0)
    told = ", ".join(f"{k} {v:.4g}" for k, v in found.items() if v is not None)
    print(f"{folder.name}: {len(rows)} cases scored, {len(refused)} refused; {told}")


def _row(case: Case, model: Model, params: Params) -> dict[str, Any]:
    """Segment a case, score it against the truth where there is one, and forget the labels.

    Raises:
        Refusal: a stage before refused it, or it lies on another grid than the model's.
    """
    from lacaf.evaluate import evaluate, read_coverage
    from lacaf.infer import infer
    from lacaf.study import row

    folders = {word: layout.folder(word, case.case) for word in ("convert", "crop", "harmonize")}
    for word, folder in folders.items():
        record = records.read(folder, word)
        if record["status"] == "refused":
            told = record["refusal"]
            raise Refusal(
                told["finding"], expectation=told["expectation"], remedy=told["remedy"],
                file=told["file"],
            )  # fmt: skip
    truth = layout.folder("phantom", case.case) / "labels.nii.gz"
    true = layout.is_phantom(case) and truth.exists()
    reference = truth if true else folders["harmonize"] / "labels.nii.gz"
    coverage = None if true else read_coverage(records.path(folders["harmonize"], "harmonize"))
    with TemporaryDirectory(prefix="lacaf-") as place:
        infer(model, folders["convert"], folders["crop"], Path(place), params.infer)
        labels = Path(place) / "labels.nii.gz"
        details = evaluate(labels, reference, coverage, params.evaluate)
    scores = details["against"]["labelled"]
    return row(case.case, case.patient, "truth" if true else "labels", scores)


@studies.command("tables")
def make_tables() -> None:
    """Compare the experiments of the study, once all runs are scored."""
    from lacaf.report import study_charts, study_page
    from lacaf.study import everything, tables
    from lacaf.study import study as stage

    params, _ = read_project()
    scored = _scored(params)
    content = stage(params.study, scored)
    written = tables(content)
    files.write_text(STUDY / "tables.csv", everything(content).csv())
    files.write_json(STUDY / "study.json", content)
    text = "\n".join(f"## {table.name}\n\n{table.markdown()}" for table in written)
    files.write_text(STUDY / "study.md", f"# Study\n\n{text}")
    with files.replacing(STUDY / "tables") as folder:
        for table in written:
            for ending, form in table.formats().items():
                files.write_text(folder / f"{table.name}.{ending}", form)
    charts = study_charts(content)
    with files.replacing(STUDY / "figures") as folder:
        for name, drawn in charts.items():
            files.write_text(folder / f"{name}.svg", drawn)
    page = layout.REPORTS / "study.html"
    files.write_text(page, study_page(content, written, params.report))
    results = [STUDY / "tables.csv", STUDY / "study.json", STUDY / "study.md", page]
    results += [STUDY / "tables", STUDY / "figures"]
    children = [run.about["mlflow_run_id"] for run in scored.values()]
    tracking.end_study(tracking.study(_digest(params)), children, results)
    print(text)
    print(page)


def _scored(params: Params) -> dict[str, Scored]:
    """The scores of every run.

    Raises:
        Missing: a run has not been trained and scored, or its scores are of a model before.
    """
    from lacaf.study import Scored, read

    found = {}
    for name, (experiment, seed) in params.of_study().runs().items():
        folder = layout.folder("study", name)
        record = files.read_json(layout.record("study", name))
        model = files.read_json(folder / "model.json")
        if record["weights_sha256"] != model["weights_sha256"]:
            raise Missing(
                f"{folder}: the scores are those of another model, which was trained anew since: "
                f"run `lacaf study run {experiment} --seed {seed}` first"
            )
        about = {key: model[key] for key in ("mlflow_run_id", "weights_sha256")}
        about |= {"learnt_from": {k: model["cases"]["train"][k] for k in ("count", "full")}}
        about |= {"refused": sorted(record["refused"])}
        found[name] = Scored(experiment, seed, read(folder / "scores.csv"), about)
    return found


def _digest(params: Params) -> str:
    """What tells a study from others in MLflow."""
    parts = (params.study, params.train, params.crop)
    return digests.digest([part.model_dump(mode="json") for part in parts])
