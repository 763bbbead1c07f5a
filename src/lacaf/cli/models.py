"""From prompts to predictions: embed, train, infer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lacaf import digests, files, layout, records, tracking
from lacaf.cases import Case
from lacaf.cli.entry import CaseName, RunName, app, read_case, read_project, tell
from lacaf.fault import Fault, Missing
from lacaf.machine import cores
from lacaf.params import whole as parameters
from lacaf.params.embed import Encoder
from lacaf.params.section import ParamsError

if TYPE_CHECKING:
    from lacaf.train import Checkpoint

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
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    processes: Annotated[
        int, typer.Option(min=0, help="Processes on this machine, one a GPU; 0 and 1 for one.")
    ] = 1,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes that read patches ahead; with a GPU up to 8 without."),
    ] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Let PyTorch compile.")] = False,
    save_every: Annotated[
        float, typer.Option(min=0, help="Seconds from one checkpoint to the next.")
    ] = 300.0,
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
    from lacaf.model.device import choose
    from lacaf.train import Checkpoint, Machine, given, joined
    from lacaf.train import train as stage

    rank, world, local = given()
    if processes > 1 and world == 1:
        _together(processes)
    _check_prepared(cases)
    name = f"{experiment}-s{seed}"
    checkpoint = Checkpoint(
        layout.checkpoint(name), layout.learnt_from(experiment, seed, params, cases.values())
    )
    begun = (checkpoint.read() or {}).get("run_id")
    chosen = choose(device, local)
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # Slurm's tasks have cores of their own
    own = cores() // here
    read_ahead = max(1, min(8, own)) if chosen.type == "cuda" else 0
    with (
        checkpoint.held() if rank == 0 else nullcontext(),
        joined(chosen) as together,
        _tracked(experiment, seed, params, checkpoint, begun, silent=rank > 0) as tracker,
    ):
        machine = Machine(
            chosen, together, read_ahead if workers is None else workers, compiled, save_every
        )
        folder = layout.folder("train", name)
        numbers = stage(
            experiment, seed, params.train.recipe(experiment), params.crop, cases, layout.DATA,
            folder, tracker, machine, checkpoint,
        )  # fmt: skip
        if rank == 0:
            for file in sorted(folder.iterdir()):
                if file.suffix != ".pt":
                    tracker.artifact(file)
            tracking.log_model(tracker, folder, SERVED)
            checkpoint.remove()
    if rank == 0:
        told = ", ".join(f"{k} {v:.4g}" for k, v in numbers.items() if v is not None)
        print(f"{name}: {told}")


def _check_prepared(cases: Mapping[str, Case]) -> None:
    """What is learnt from must be what crop and harmonize say now.

    Snakemake sees to it. Here it is asked of their records alone, for who trains by hand; where
    these are not at hand (on a GPU node) it is taken on trust.
    """
    for name, case in cases.items():
        path = layout.record("prepare", name)
        if case.split not in ("train", "val") or not path.exists():
            continue
        known = files.read_json(path).get("records", {})
        now = layout.read_records("prepare", name)
        if changed := [word for word, digest in now.items() if known.get(word, digest) != digest]:
            raise Fault(
                f"{name} was prepared before {' and '.join(changed)} changed; run "
                "`snakemake prepare` first"
            )


@contextmanager
def _tracked(
    experiment: str,
    seed: int,
    params: parameters.Params,
    checkpoint: Checkpoint,
    begun: str | None,
    silent: bool,
) -> Iterator[tracking.Tracker]:
    """The training's run in MLflow; none in all processes but the first."""
    if silent:
        yield tracking.Tracker()
        return
    recipe = params.train.recipe(experiment)
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
    data = checkpoint.made_from["cases"]
    with tracking.run(f"{experiment}-s{seed}", logged, tags, data, begun) as tracker:
        yield tracker


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
