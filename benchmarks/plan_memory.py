"""How near to the truth is what `lacaf plan` says of memory and time, on this CPU.

    OMP_NUM_THREADS=1 python benchmarks/plan_memory.py

Each size is trained for three steps in a process of its own, as `lacaf train` does it (with its
augmentation, loss and optimizer, in float32), and its peak of resident memory is set beside what
was counted without any content. For a GPU's memory it says nothing.
"""

import argparse
import sys
import time
from itertools import pairwise

import numpy as np
import torch
from measuring import PARAMS, heading, in_a_process, parsed, row, tell
from torch.utils.data import default_collate

from lacaf.classes import CLASSES
from lacaf.model.device import choose
from lacaf.model.networks import NETWORKS, build
from lacaf.params import whole
from lacaf.plan.cost import ADDED_GB, FACTOR, Cost, measured_flops_per_second
from lacaf.plan.memory import VECTOR
from lacaf.train.augment import draw
from lacaf.train.learner import Learner
from lacaf.train.processes import Processes

#: Width, edge of the patch, patches at once.
SIZES = ["8,64,2", "8,96,1", "8,96,2", "16,96,1", "8,128,1"]
STEPS = 3


def patches(edge, count, augment):
    """A batch as the loader gives it, of noise."""
    rng = np.random.default_rng(0)
    cube = (edge,) * 3
    return default_collate(
        [
            {
                "hu": rng.integers(-1000, 400, cube, np.int16),
                "side": np.zeros(cube, np.float16),
                "height": np.zeros(edge, np.float32),
                "depth": np.zeros(edge, np.float32),
                "facts": np.ones(cube, np.uint8),
                "covered": np.ones(len(CLASSES), bool),
                "changes": draw(augment, rng),
            }
            for _ in range(count)
        ]
    )


def train(network, width, edge, count):
    """Take some steps, and tell the shortest and the most memory that was held."""
    device = choose("cpu")
    train = whole.load(PARAMS).train
    early = train.early.model_copy(update={"steps": 0})
    changes = {"network": network, "width": width, "patch": [edge] * 3, "batch": count}
    recipe = train.recipe("lacaf").model_copy(update=changes | {"early": early})
    vectors = torch.rand(len(CLASSES), VECTOR) if NETWORKS[network].language else None
    learner = Learner(
        build(network, width, vectors, patch=recipe.patch), recipe, 0, device, Processes()
    )
    times = [time.perf_counter()]
    for number in range(STEPS):
        learner.step(number + 1, iter([patches(edge, count, recipe.augment)]))
        times.append(time.perf_counter())
    tell({"seconds": min(b - a for a, b in pairwise(times))})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--networks", nargs="+", default=["lacaf", "unet", "dynunet"], choices=NETWORKS
    )
    parser.add_argument("--sizes", nargs="+", default=SIZES, help="width,edge,patches …")
    parser.add_argument("--once", nargs=4, help="network width edge patches: one training")
    options = parsed(parser, networks=["unet"], sizes=["4,32,1", "8,32,2"])
    if options.once:
        train(options.once[0], *map(int, options.once[1:]))
        return
    heading(
        "network", "width", "patch", "at once", "counted, GB", "proposed for, GB", "measured, GB",
        "proposed / measured", "step, s: estimated", "measured",
    )  # fmt: skip
    for network in options.networks:
        speed = measured_flops_per_second(network, int(options.sizes[0].split(",")[0]))
        cost = Cost(network, "cpu", speed, timed=True)
        for size in options.sizes:
            width, edge, count = map(int, size.split(","))
            said = cost.gigabytes((edge,) * 3, count, width)
            counted = (said - ADDED_GB["cpu"]) / FACTOR["cpu"]
            once = [network, str(width), str(edge), str(count)]
            found = in_a_process(sys.executable, __file__, "--once", *once)
            true = found["gigabytes"] * 2**30 / 1e9
            row(
                network, width, f"{edge}³", count, f"{counted:.2f}", f"{said:.2f}", f"{true:.2f}",
                f"{said / true:.2f}", f"{cost.seconds((edge,) * 3, count, width):.2f}",
                f"{found['seconds']:.2f}",
            )  # fmt: skip


if __name__ == "__main__":
    main()
