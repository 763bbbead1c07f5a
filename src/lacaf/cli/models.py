"""From prompts to predictions: embed, train, infer."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lacaf import digests, files, layout, records
from lacaf.cli.entry import CaseName, RunName, app, read_case, read_project, tell
from lacaf.cli.training import Device, Options, SaveEvery, Workers, run_training
from lacaf.fault import Missing
from lacaf.params import whole as parameters
from lacaf.params.embed import Encoder
from lacaf.params.section import ParamsError


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
    device: Device = "auto",
    processes: Annotated[
        int, typer.Option(min=0, help="Processes on this machine, one a GPU; 0 and 1 for one.")
    ] = 1,
    workers: Workers = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Let PyTorch compile.")] = False,
    save_every: SaveEvery = 300.0,
) -> None:
    """Train one experiment with one seed, logged as a run of MLflow.

    A training that was stopped goes on from its last checkpoint with the same command. Under
    torchrun or Slurm's srun the processes that these start train together.
    """
    params, cases = read_project()
    if experiment not in params.train.experiments:
        raise ParamsError(
            f"params.yaml: train.experiments has no {experiment!r}; "
            f"it has {', '.join(params.train.experiments) or 'none'}"
        )
    from lacaf.train import given

    if processes > 1 and given()[1] == 1:
        _together(processes)
    name = f"{experiment}-s{seed}"
    numbers = run_training(
        experiment, seed, params, cases, layout.folder("train", name), layout.checkpoint(name),
        Options(device, workers, compiled, save_every),
    )  # fmt: skip
    if numbers is not None:
        told = ", ".join(f"{k} {v:.4g}" for k, v in numbers.items() if v is not None)
        print(f"{name}: {told}")


def _together(processes: int) -> None:
    """Become as many processes of this same command, by torchrun."""
    from torch.distributed.launcher.api import LaunchConfig

    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    # It hands on what asks to stop, and waits until the step, or a validation, is done; no longer,
    # since the others of a process that failed may wait for it as well. Older ones cannot.
    if hasattr(LaunchConfig, "signals_to_handle"):
        torchrun += ["--signals-to-handle=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"]
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", "120")
    os.execv(sys.executable, [sys.executable, *torchrun, "-m", "lacaf", *sys.argv[1:]])


@app.command()
def infer(
    run: RunName,
    case: CaseName,
    device: Device = "auto",
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
