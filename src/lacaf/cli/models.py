"""From prompts to predictions: embed, train, infer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lacaf import digests, files, layout, records
from lacaf.cli.entry import CaseName, RunName, app, read_case, read_project, tell
from lacaf.fault import Missing
from lacaf.params import whole as parameters
from lacaf.params.embed import Encoder
from lacaf.params.section import ParamsError

#: What MLflow runs to serve a model, see there.
SERVED = Path(__file__).parents[1] / "infer" / "served.py"


@app.command()
def embed(
    encoder: Annotated[Encoder, typer.Argument(help="clip, minilm, file, onehot, random")],
    prompts: Annotated[
        str | None, typer.Argument(help="One of embed.prompts; that of train.prompts without.")
    ] = None,
) -> None:
    """Turn a set of prompts into frozen vectors, kept with the prompts' text and hash."""
    from lacaf.embed import embed as stage

    params = parameters.load()
    chosen = prompts or params.train.prompts
    if chosen not in params.embed.prompts:
        raise ParamsError(
            f"params.yaml: embed.prompts has no {chosen!r}; it has "
            f"{', '.join(params.embed.prompts)}"
        )
    content = stage(encoder, chosen, params.embed)
    record = layout.record("embed", encoder, chosen)
    with files.replacing(record.parent) as folder:
        files.write_json(folder / record.name, content)
    print(f"{encoder}, {chosen}: {len(content['vectors'])} prompts, hash {content['hash'][:12]}")


@app.command()
def train(
    experiment: Annotated[str, typer.Argument(help="Name of an experiment in params.yaml.")],
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of weights, sampling and augmentation.")
    ] = 0,
) -> None:
    """Train one experiment with one seed, logged as a run of MLflow."""
    from lacaf import tracking

    params, cases = read_project()
    if experiment not in params.train.experiments:
        raise ParamsError(
            f"params.yaml: train.experiments has no {experiment!r}; "
            f"it has {', '.join(params.train.experiments) or 'none'}"
        )
    name = f"{experiment}-s{seed}"
    recipe = params.train.recipe(experiment)
    learnt_from = {
        case.case: digests.digest_path(layout.record("harmonize", case.case))
        for case in cases.values()
        if case.split in ("train", "val")
    }
    logged = tracking.flat(
        {
            "experiment": experiment,
            "seed": seed,
            "crop": params.crop.model_dump(),
            "train": recipe.model_dump(),
        }
    )
    tags = {"git_commit": tracking.git_commit()}
    if recipe.encoder:
        embedding = files.read_json(layout.record("embed", recipe.encoder, recipe.prompts))
        tags |= {"embedding_hash": embedding["hash"]}
        logged |= tracking.flat({"prompt": embedding["prompts"]})
    from lacaf.train import train as stage

    with (
        tracking.run(name, logged, tags, digests.digest(learnt_from)) as tracker,
        files.replacing(layout.folder("train", name)) as folder,
    ):
        numbers = stage(experiment, seed, recipe, params.crop, cases, layout.DATA, folder, tracker)
        for file in sorted(folder.iterdir()):
            if file.suffix != ".pt":
                tracker.artifact(file)
        tracking.log_model(tracker, folder, SERVED)
    print(f"{name}: " + ", ".join(f"{k} {v:.4g}" for k, v in numbers.items() if v is not None))


@app.command()
def infer(
    run: RunName,
    case: CaseName,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
) -> None:
    """Segment one case with one trained model, on the CT's original grid."""
    params, _ = read_case(case)
    model = layout.model(run, params)
    converted, cropped = layout.folder("convert", case), layout.folder("crop", case)
    upstream = records.read(cropped, "crop")
    if not (model / "model.json").exists():
        raise Missing(f"{model}/model.json is missing: train {run} first")

    def work(folder: Path) -> dict[str, Any]:
        from lacaf.infer import infer as stage

        return {"run": run} | stage(model, converted, cropped, folder, params.infer, device)

    made_from = {
        "model": digests.digest_path(model / "model.json"),
        "image": digests.digest_path(records.path(cropped, "crop")),
        "params": digests.digest(params.infer.model_dump(exclude={"models"})),
    }
    folder = layout.folder("infer", run, case)
    tell(records.carry_out("infer", case, folder, made_from, work, upstream))
