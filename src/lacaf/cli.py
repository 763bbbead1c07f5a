"""The command line: ``lacaf STAGE …``, one command a stage, the only thing a rule calls.

Each command imports its stage when it is called, so that ``lacaf --help`` and the stages that
need no network start fast.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from lacaf import cases as case_table
from lacaf import layout, records
from lacaf import params as parameters

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Pulmonary arteries and veins from half-labelled chest CT, stage by stage. "
    "Run in a folder with params.yaml and data/cases.csv.",
)

CaseName = Annotated[str, typer.Argument(help="Name of a case in data/cases.csv.")]
RunName = Annotated[str, typer.Argument(help="Name of a run, e.g. lacaf-s0.")]

#: Errors that are the user's to mend: shown as a message, without a traceback.
FAULTS = (
    parameters.ParamsError,
    case_table.CasesError,
    records.Missing,
    records.Refusal,
)
#: Such errors of stages that import much: a stage that was not imported cannot have raised one.
FAULTS_OF_STAGES = {
    "lacaf.embed": "EmbedError",
    "lacaf.train": "TrainingFailed",
    "lacaf.infer": "ModelError",
}


def main() -> None:
    """Run the command line; a user's fault ends with a message and exit code 2."""
    try:
        app()
    except _faults() as fault:
        print(f"lacaf: {fault}", file=sys.stderr)
        sys.exit(2)


def _faults() -> tuple[type[Exception], ...]:
    imported = {name: sys.modules[name] for name in FAULTS_OF_STAGES if name in sys.modules}
    return (*FAULTS, *(getattr(m, FAULTS_OF_STAGES[name]) for name, m in imported.items()))


def _project() -> tuple[parameters.Params, dict[str, case_table.Case]]:
    params = parameters.load()
    return params, case_table.read(codings=params.codings())


def _case(name: str) -> tuple[parameters.Params, case_table.Case]:
    params, cases = _project()
    if name not in cases:
        raise case_table.CasesError(f"data/cases.csv has no case {name!r}")
    return params, cases[name]


def _made(path: Path) -> dict[str, Any]:
    """The content of a JSON file that another command makes."""
    if not path.exists():
        raise records.Missing(f"{path} is missing: run `snakemake {path}` first")
    return json.loads(path.read_text())


def _tell(record: Mapping[str, Any]) -> None:
    refusal = record.get("refusal")
    if refusal:
        print(
            f"case {record['case']} REFUSED by {refusal['stage']}: "
            f"{refusal['file'] + ': ' if refusal['file'] else ''}{refusal['finding']}; "
            f"expected {refusal['expectation']}; {refusal['remedy']}"
        )
    else:
        print(f"case {record['case']}: {record['stage']} done")


@contextmanager
def _discreet() -> Iterator[None]:
    """Keep an unexpected error loud, but without its message.

    For the stage that reads a hospital's files: the message of somebody else's code may quote a
    file's name or a header. The place and the type of the error are enough to find a bug.
    """
    try:
        yield
    except FAULTS:
        raise
    except Exception as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else ""
        print("".join(traceback.format_tb(error.__traceback__)), end="", file=sys.stderr)
        print(
            f"lacaf: {type(error).__name__}{' (' + why + ')' if why else ''}; its message is "
            "left out, it may quote a patient's data",
            file=sys.stderr,
        )
        raise typer.Exit(1) from None


@app.command()
def phantom(
    case: Annotated[str | None, typer.Argument(help="Case to make, e.g. phantom001.")] = None,
    table: Annotated[int, typer.Option(help="Print a fresh case table of so many cases.")] = 0,
) -> None:
    """Make a synthetic case: DICOM and labels as a hospital hands them over, truth apart."""
    if table:
        from lacaf.phantom.cohort import table as fresh_table

        try:
            print(fresh_table(table), end="")
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        return
    if case is None:
        raise typer.BadParameter("name a case, or ask for a --table")
    params, row = _case(case)
    if not layout.is_phantom(row):
        raise case_table.CasesError(
            f"case {case} is no phantom: its name is phantom and a number, its source below "
            f"{layout.RAW}/<case>/"
        )
    layout.check_raw([row])
    from lacaf.phantom.handover import hand_over
    from lacaf.phantom.render import render

    def work(truth: Path) -> dict[str, Any]:
        with records.replacing(layout.RAW / case) as raw:
            rendered = render(case, params.phantom)
            coding = params.codings()[row.coding] if row.coding else None
            return hand_over(rendered, row, coding, params.phantom.seed, raw, truth)

    made_from = layout.made_from("phantom", row, params)
    _tell(records.carry_out("phantom", case, layout.folder("phantom", case), made_from, work))


@app.command()
def convert(case: CaseName) -> None:
    """Bring a case's CT and labels to NIfTI in HU with true geometry."""
    params, row = _case(case)
    with _discreet():
        _convert(params, row)


def _convert(params: parameters.Params, row: case_table.Case) -> None:
    case = row.case
    files = {"the source": row.source, "the label file": row.labels}
    absent = [role for role, file in files.items() if file and not file.exists()]

    def work(folder: Path) -> dict[str, Any]:
        if absent:
            raise records.Refusal(
                f"{' and '.join(absent)} not found",
                expectation="the files that data/cases.csv names",
                remedy="correct the table or fetch the data",
            )
        from lacaf.convert import convert as stage

        return stage(row, params, folder)

    made_from = {} if absent else layout.made_from("convert", row, params)
    _tell(records.carry_out("convert", case, layout.folder("convert", case), made_from, work))


@app.command()
def crop(case: CaseName) -> None:
    """Find the lungs, left and right, and bring the CT to the working grid."""
    params, row = _case(case)
    source = layout.folder("convert", case)
    upstream = records.read(source, "convert")

    def work(folder: Path) -> dict[str, Any]:
        from lacaf.crop import crop as stage

        return stage(params, source, folder)

    made_from = layout.made_from("crop", row, params)
    _tell(records.carry_out("crop", case, layout.folder("crop", case), made_from, work, upstream))


@app.command()
def harmonize(case: CaseName) -> None:
    """Bring labels of any coding to the canonical classes, and say what is known of each."""
    params, row = _case(case)
    converted, cropped = layout.folder("convert", case), layout.folder("crop", case)
    upstream = records.read(cropped, "crop")

    def work(folder: Path) -> dict[str, Any]:
        from lacaf.harmonize import harmonize as stage

        return stage(row, params, converted, cropped, folder)

    made_from = layout.made_from("harmonize", row, params)
    folder = layout.folder("harmonize", case)
    _tell(records.carry_out("harmonize", case, folder, made_from, work, upstream))


@app.command()
def embed(
    encoder: Annotated[
        parameters.Encoder, typer.Argument(help="clip, minilm, file, onehot, random")
    ],
) -> None:
    """Turn the prompts into frozen vectors, kept with the prompts' text and hash."""
    from lacaf.embed import embed as stage

    content = stage(encoder, parameters.load().embed)
    with records.replacing(layout.DATA / "embed" / encoder) as folder:
        records.write_json(folder / "embedding.json", content)
    print(f"{encoder}: {len(content['vectors'])} prompts, hash {content['hash'][:12]}")


@app.command()
def train(
    experiment: Annotated[str, typer.Argument(help="Name of an experiment in params.yaml.")],
    seed: Annotated[int, typer.Option(help="Seed of weights, sampling and augmentation.")] = 0,
) -> None:
    """Train one experiment with one seed, logged as a run of MLflow."""
    from lacaf import tracking

    params, cases = _project()
    if experiment not in params.train.experiments:
        raise parameters.ParamsError(
            f"params.yaml: train.experiments has no {experiment!r}; "
            f"it has {', '.join(params.train.experiments) or 'none'}"
        )
    name = f"{experiment}-s{seed}"
    chosen = params.train.experiments[experiment]
    learnt_from = {
        case.case: records.digest_path(layout.record("harmonize", case.case))
        for case in cases.values()
        if case.split in ("train", "val")
    }
    logged = tracking.flat(
        {
            "experiment": experiment,
            "seed": seed,
            **chosen.model_dump(),
            "crop": params.crop.model_dump(),
            "train": params.train.model_dump(exclude={"experiments", "seeds"}),
        }
    )
    tags = {"git_commit": tracking.git_commit()}
    if chosen.encoder:
        embedding = _made(layout.DATA / "embed" / chosen.encoder / "embedding.json")
        tags |= {"embedding_hash": embedding["hash"]}
        logged |= tracking.flat({"prompt": embedding["prompts"]})
    from lacaf.train import train as stage

    with (
        tracking.run(name, logged, tags, records.digest(learnt_from)) as tracker,
        records.replacing(layout.DATA / "train" / name) as folder,
    ):
        numbers = stage(experiment, seed, params, cases, layout.DATA, folder, tracker)
        for file in sorted(folder.iterdir()):
            if file.suffix != ".pt":
                tracker.artifact(file)
        tracking.log_model(tracker, folder)
    print(f"{name}: " + ", ".join(f"{k} {v:.4g}" for k, v in numbers.items() if v is not None))


@app.command()
def infer(
    run: RunName,
    case: CaseName,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
) -> None:
    """Segment one case with one trained model, on the CT's original grid."""
    params, _ = _case(case)
    model = layout.model(run, params)
    converted, cropped = layout.folder("convert", case), layout.folder("crop", case)
    upstream = records.read(cropped, "crop")
    if not (model / "model.json").exists():
        raise records.Missing(f"{model}/model.json is missing: train {run} first")

    def work(folder: Path) -> dict[str, Any]:
        from lacaf.infer import infer as stage

        return {"run": run} | stage(model, converted, cropped, folder, params.infer, device)

    made_from = {
        "model": records.digest_path(model / "model.json"),
        "image": records.digest_path(cropped / records.RECORD["crop"]),
        "params": records.digest(params.infer.model_dump(exclude={"models"})),
    }
    folder = layout.DATA / "infer" / run / case
    _tell(records.carry_out("infer", case, folder, made_from, work, upstream))


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
    _tell(records.carry_out("evaluate", out.name, out, made_from, work, upstream))


@app.command()
def summarize() -> None:
    """Gather all scores into tables, add them to the MLflow runs, and print them."""
    from lacaf import tracking
    from lacaf.evaluate import summarize as stage
    from lacaf.evaluate import table

    params, cases = _project()
    scores, runs = [], {}
    for run, (experiment, seed) in params.runs().items():
        model = _made(layout.DATA / "train" / run / "model.json")
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


@app.command()
def report() -> None:
    """Write reports/index.html, one page that opens offline; its picture joins the MLflow runs."""
    from lacaf import tracking
    from lacaf.report import report as stage

    params, cases = _project()
    about = stage(params, cases, layout.DATA, layout.REPORTS, Path.cwd())
    picture = layout.REPORTS / "figures" / "hero.png"
    for run in about["runs"].values():
        if picture.exists():
            tracking.reopen(run.get("mlflow_run_id")).artifact(picture)
    print(f"{layout.REPORTS}/index.html")


@app.command()
def refresh(
    stages: Annotated[list[str] | None, typer.Argument(help="Stages; all when none.")] = None,
) -> None:
    """After data came from DVC: keep what is still true, remove what is not."""
    from lacaf.refresh import refresh as work

    if strange := set(stages or ()) - set(layout.CASE_STAGES):
        raise typer.BadParameter(
            f"{', '.join(sorted(strange))}: only {', '.join(layout.CASE_STAGES)} can be refreshed"
        )
    params, cases = _project()
    outcome = work(stages or layout.CASE_STAGES, cases.values(), params)
    for name in outcome["removed"]:
        print(f"removed {name}: it was made from something else")
    print(f"kept {len(outcome['kept'])}, removed {len(outcome['removed'])}")


@app.command()
def check() -> None:
    """Check params.yaml and data/cases.csv without running anything."""
    _, cases = _project()
    case_table.present(case for case in cases.values() if not layout.is_phantom(case))
    layout.check_raw(cases.values())
    print(f"params.yaml and data/cases.csv are sound: {len(cases)} cases")
