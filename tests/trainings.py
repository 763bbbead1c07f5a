"""A training of tiny tubes, in this process or in one that may be killed."""

import csv
import multiprocessing
import os
import socket
import sys

import torch
from tubes import Log, parameters

from lacaf.cases import Case
from lacaf.train import Checkpoint, Machine, joined, train

#: Forked from a server that has PyTorch loaded and has not used it: autograd's threads do not
#: survive a fork.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["trainings"])


def run(
    project, experiment="guided", seed=0, name="model", *, machine=None, made_from=None, **settings
):
    """Train in ``project`` (folder, case table); returns numbers, the model's folder, the log."""
    folder, cases = project
    out, log = folder / name, Log()
    params = parameters(settings)
    checkpoint = Checkpoint(folder / "checkpoints" / f"{name}.pt", made_from or {})
    with joined(torch.device("cpu")) as processes:
        chosen = {"device": torch.device("cpu"), "processes": processes} | (machine or {})
        numbers = train(
            experiment, seed, params.train.recipe(experiment), params.crop, cases,
            folder / "data", out, log, Machine(**chosen), checkpoint,
        )  # fmt: skip
    return numbers, out, log


def apart(project, environment=None, before=None, **settings):
    """The same in a process of its own, not yet waited for; ``before`` is run there first."""
    process = SERVER.Process(target=_body, args=(project, environment or {}, before, settings))
    process.start()
    return process


def _body(project, environment, before, settings):
    torch.set_num_threads(1)
    told = project[0] / f"{settings.get('name', 'model')}-{environment.get('RANK', 0)}.log"
    sys.stdout = sys.stderr = told.open("w")
    if before is not None:
        before()
    os.environ.update(environment)
    run(project, **settings)


def together(project, world, own=lambda _rank: {}, **settings):
    """The same in several processes that train one network; waits for them.

    ``own`` gives the settings of a process by its rank.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        place = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(free.getsockname()[1])}
    processes = []
    for rank in range(world):
        who = {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
        processes.append(apart(project, who | place, **settings, **own(rank)))
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


def history(folder):
    """Rows of ``history.csv``."""
    with (folder / "history.csv").open() as handle:
        return list(csv.DictReader(handle))


def without_time(rows):
    """Rows without the column that is of no interest to a comparison."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def without_split(cases: dict[str, Case], split: str) -> dict[str, Case]:
    """A case table without a split."""
    return {name: case for name, case in cases.items() if case.split != split}
