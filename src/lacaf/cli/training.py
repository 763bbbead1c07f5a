"""How a command trains one experiment with one seed: train's own runs and those of a study."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lacaf import files, layout, tracking
from lacaf.cases import Case
from lacaf.fault import Fault
from lacaf.machine import cores
from lacaf.params.whole import Params

if TYPE_CHECKING:
    from lacaf.train import Checkpoint

#: What a model was made from, beside it, as digests: another one's is not taken for it.
LEARNT_FROM = "learnt_from.json"

#: What MLflow runs to serve a model, see there.
SERVED = Path(__file__).parents[1] / "infer" / "served.py"


Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]
Workers = Annotated[
    int | None,
    typer.Option(min=0, help="Processes that read patches ahead; with a GPU up to 8 without."),
]
SaveEvery = Annotated[float, typer.Option(min=0, help="Seconds from one checkpoint to the next.")]


@dataclass(frozen=True)
class Options:
    """What belongs to the machine and not to the experiment; see the options of ``lacaf train``."""

    device: str = "auto"
    workers: int | None = None
    compiled: bool = False
    save_every: float = 300.0


def run_training(
    experiment: str,
    seed: int,
    params: Params,
    cases: Mapping[str, Case],
    folder: Path,
    saved: Path,
    options: Options,
    parent: str | None = None,
) -> dict[str, float | None] | None:
    """Train an experiment of ``params.train`` as a run of MLflow; go on from where it was stopped.

    Args:
        experiment: its name.
        seed: of weights, sampling and augmentation.
        params: the configuration.
        cases: the case table.
        folder: where the model goes.
        saved: the checkpoint's file, gone when the model is there.
        options: the machine's.
        parent: id of the run of MLflow that it stands under; None for none.

    Returns:
        What ``lacaf.train.train`` does; None in all processes but the first.
    """
    from lacaf.model.device import choose
    from lacaf.train import Checkpoint, Machine, given, joined
    from lacaf.train import train as stage

    rank, _, local = given()
    _check_prepared(cases)
    checkpoint = Checkpoint(saved, layout.learnt_from(experiment, seed, params, cases.values()))
    begun = (checkpoint.read() or {}).get("run_id")
    device = choose(options.device, local)
    with (
        checkpoint.held() if rank == 0 else nullcontext(),
        joined(device) as together,
        _tracked(experiment, seed, params, checkpoint, begun, parent, rank > 0) as tracker,
    ):
        read_ahead = _readers(device.type) if options.workers is None else options.workers
        machine = Machine(device, together, read_ahead, options.compiled, options.save_every)
        numbers = stage(
            experiment, seed, params.train.recipe(experiment), params.crop, cases, layout.DATA,
            folder, tracker, machine, checkpoint,
        )  # fmt: skip
        if rank == 0:
            for file in sorted(folder.iterdir()):
                if file.suffix != ".pt":
                    tracker.artifact(file)
            tracking.log_model(tracker, folder, SERVED)
            files.write_json(folder / LEARNT_FROM, checkpoint.made_from)
            checkpoint.remove()
    return numbers if rank == 0 else None


def _readers(device: str) -> int:
    """Processes that read patches ahead: up to 8 of the cores where there is a GPU, else none."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # Slurm's tasks have cores of their own
    return max(1, min(8, cores() // here)) if device == "cuda" else 0


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
    params: Params,
    checkpoint: Checkpoint,
    begun: str | None,
    parent: str | None,
    silent: bool,
) -> Iterator[tracking.Tracker]:
    """The training's run in MLflow; none in all processes but the first."""
    if silent:
        yield tracking.Tracker()
        return
    recipe = params.train.recipe(experiment)
    logged: dict[str, Any] = tracking.flat(
        {
            "experiment": experiment,
            "seed": seed,
            "crop": params.crop.model_dump(),
            "train": recipe.model_dump(),
        }
    )
    tags = {"git_commit": tracking.git_commit()}
    if parent is not None:
        tags |= {tracking.PARENT: parent}
    if recipe.encoder:
        embedding = files.read_json(layout.record("embed", recipe.encoder, recipe.prompts))
        tags |= {"embedding_hash": embedding["hash"]}
        logged |= tracking.flat({"prompt": embedding["prompts"]})
    data = checkpoint.made_from["cases"]
    with tracking.run(f"{experiment}-s{seed}", logged, tags, data, begun) as tracker:
        yield tracker
