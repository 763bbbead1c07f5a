"""From prompts to predictions: embed, train, infer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lacaf import layout, records
from lacaf import params as parameters
from lacaf.cli.entry import CaseName, RunName, app, made, read_case, read_project, tell


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
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of weights, sampling and augmentation.")
    ] = 0,
) -> None:
    """Train one experiment with one seed, logged as a run of MLflow."""
    from lacaf import tracking

    params, cases = read_project()
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
        embedding = made(layout.DATA / "embed" / chosen.encoder / "embedding.json")
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
    params, _ = read_case(case)
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
    tell(records.carry_out("infer", case, folder, made_from, work, upstream))
