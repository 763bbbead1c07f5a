"""Before a training: plan."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lacaf import files, layout
from lacaf.cases import Case
from lacaf.cli.entry import app, read_project
from lacaf.fault import Fault, Unwritable
from lacaf.model.networks import NETWORKS
from lacaf.params import whole as parameters
from lacaf.plan.size import LEAST_EDGE, MULTIPLE

if TYPE_CHECKING:
    from lacaf.plan.cost import Cost

#: Operations a second of a GPU, 10^12, where the user names none: a fraction of what makers
#: print, since much of a step waits for memory.
TFLOPS = 10.0


@app.command()
def plan(
    memory: Annotated[
        float, typer.Option(min=0.1, help="GB of the GPU, or of a machine without one.")
    ],
    hours: Annotated[float, typer.Option(min=0.01, help="Hours that one training may take.")],
    network: Annotated[
        str | None, typer.Option(help="The network to plan for; without, train.network.")
    ] = None,
    device: Annotated[str, typer.Option(help="gpu; or cpu, to train on this machine's.")] = "gpu",
    step_seconds: Annotated[
        float | None,
        typer.Option(min=0.0001, help="Seconds of a step of what was proposed, as you measured."),
    ] = None,
    tflops: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            help=f"Operations a second, 10^12, in training; without, {TFLOPS:g} of a GPU, and of "
            "a CPU those of a step that is timed here.",
        ),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write params.yaml with the proposed values to this file.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Even if there is such a file.")] = False,
) -> None:
    """Propose parameters for this cohort, an amount of memory and a time, with reasons.

    Looks at harmonized training and validation cases, never at test cases. Prints, and changes
    nothing unless asked to --write.
    """
    params, cases = read_project()
    chosen = network or params.train.network
    if chosen not in NETWORKS:
        raise typer.BadParameter(f"{chosen}: known networks are {', '.join(NETWORKS)}")
    _check_plannable(chosen)
    if device not in ("gpu", "cpu"):
        raise typer.BadParameter(f"{device}: say gpu or cpu")
    if write is not None and write.exists() and not force:
        raise Unwritable(f"{write} is there already; name another file, or add --force")
    from lacaf.evaluate.centreline import centreline
    from lacaf.plan import showing
    from lacaf.plan.fingerprint import fingerprint
    from lacaf.plan.proposal import propose
    from lacaf.plan.size import Given
    from lacaf.plan.writing import written

    found = fingerprint(cases.values(), layout.DATA, centreline, _shown)
    print(showing.told(found), flush=True)
    cost = _cost(chosen, device, tflops, params)
    lines = propose(found, params, Given(memory, hours, device == "gpu", step_seconds), cost)
    print(f"\n{showing.trade(found, lines)}\n\n{showing.proposal(lines, params)}")
    print(f"\n{showing.certainty(cost, lines, step_seconds is not None)}")
    if write is not None:
        files.write_text(write, written(Path("params.yaml").read_text(), lines))
        parameters.load(write)
        print(f"\nwrote {write}; to use it: cp {write} params.yaml")


def _check_plannable(network: str) -> None:
    """Proposed are patches in multiples of 16 from 32 on, and smaller ones to begin with."""
    entry = NETWORKS[network]
    strict = isinstance(entry.multiple, int) and MULTIPLE % entry.multiple > 0
    if entry.one_patch or strict or entry.smallest > LEAST_EDGE:
        raise Fault(
            f"network {network} takes patches that lacaf plan does not propose; plan for another, "
            "and see benchmarks/network_step.py for what a step of this one needs"
        )


def _cost(network: str, device: str, tflops: float | None, params: parameters.Params) -> Cost:
    """What a step costs on that kind of machine."""
    from lacaf.plan.cost import Cost, measured_flops_per_second
    from lacaf.plan.memory import Kind

    train = params.train
    own = network == train.network
    whole = Kind(network, own and bool(train.encoder), train.arguments if own else {})
    timed = tflops is None and device == "cpu"
    if timed:
        speed = measured_flops_per_second(whole, params.train.width)
    else:
        speed = 1e12 * (TFLOPS if tflops is None else tflops)
    average = params.train.ema > 0
    return Cost(whole, device, speed, timed, loss=params.train.loss, average=average)


def _shown(cases: Sequence[Case]) -> Iterable[Case]:
    """The cases, with a bar where there is a terminal."""
    if not sys.stderr.isatty():
        return cases
    from rich.console import Console
    from rich.progress import track

    return track(cases, "reading cases", console=Console(stderr=True), transient=True)
