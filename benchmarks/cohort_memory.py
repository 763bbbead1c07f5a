"""Memory of a training on few and on many cases, beside MONAI's cache of the same cases.

    python benchmarks/cohort_memory.py --folder /tmp/cohort

Trains a U-Net for some steps on 10 and on 500 cases of 350 x 350 x 350, with reading processes and
a validation. Told is the most memory that all its processes held together: proportional set sizes,
so that what they share counts once. All but a few cases are hard links to the same files: 500 of
their own would take 30 GB of disk and an hour, and neither is what is asked here.

Beside it stands what MONAI's CacheDataset holds for a few of the cases (image, side and labels, as
they are read), and the line through it.
"""

import argparse
import sys
import tempfile
import threading
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from measuring import PARAMS, family, heading, in_a_process, parsed, row, tell
from prepared_cohort import case_table, lay_out

DISTINCT = 4


def held_gigabytes():
    """What this process and all below it hold now, GB of 10**9 bytes."""
    kilobytes = 0
    for one in family():
        with suppress(OSError):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            kilobytes += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes * 1024 / 1e9


class Watch:
    """The most that was held while the block ran."""

    def __enter__(self):
        self.most, self.over = held_gigabytes(), threading.Event()
        self.thread = threading.Thread(target=self._look)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _look(self):
        while not self.over.wait(0.1):
            self.most = max(self.most, held_gigabytes())


def ours(folder, count, options):
    import torch

    from lacaf.params import whole as params
    from lacaf.tracking import Tracker
    from lacaf.train import Checkpoint, Machine, train

    whole = params.load(PARAMS)
    content = whole.train.recipe("unet").model_dump() | {
        "width": 4, "patch": options.patch, "batch": 2, "steps": options.steps,
        "validate_every": options.steps, "early": {"patch": options.patch, "batch": 2, "steps": 0},
    }  # fmt: skip
    recipe = type(whole.train.recipe("unet")).model_validate(content)
    machine = Machine(torch.device("cpu"), workers=options.workers)
    with tempfile.TemporaryDirectory() as name, Watch() as watch:
        train(
            "unet", 0, recipe, whole.crop, case_table(folder, count, val=1), folder,
            Path(name) / "model", Tracker(), machine, Checkpoint(Path(name) / "c.pt", {}),
        )  # fmt: skip
    tell({"held": watch.most})


def monai(folder, count, options):
    import numpy as np
    from monai.data import CacheDataset
    from monai.transforms import Lambda

    from lacaf.train.prepared import read

    cases = read(case_table(folder, count, val=1).values(), "train", folder)

    def load(case):
        cut = case.cut()
        return {"image": np.stack([cut.hu, cut.side.astype(np.int16)]), "facts": case.facts()}

    before = held_gigabytes()
    cached = CacheDataset(cases, Lambda(load), progress=False)
    tell({"held": held_gigabytes() - before, "cases": len(cached)})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the cases lie; made if it is empty")
    parser.add_argument("--shape", type=int, nargs=3, default=[350, 350, 350])
    parser.add_argument("--patch", type=int, nargs=3, default=[64, 64, 64])
    parser.add_argument("--counts", type=int, nargs=2, default=[10, 500])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--measure", nargs=2, metavar=("WHO", "COUNT"), help=argparse.SUPPRESS)
    options = parsed(
        parser, shape=[48, 48, 48], patch=[16, 16, 16], counts=[3, 12], steps=2, workers=1
    )
    if options.measure:
        who, count = options.measure
        {"ours": ours, "monai": monai}[who](options.folder, int(count), options)
        return
    with tempfile.TemporaryDirectory() as name:
        options.folder = folder = options.folder or Path(name)
        if not (folder / "prepare").exists():
            lay_out(folder, options.shape, max(options.counts), val=1, distinct=DISTINCT)
        size = " x ".join(map(str, options.shape))
        print(f"Cases of {size} voxels; torch {version('torch')}, monai {version('monai')}\n")
        few, many = (measured("ours", count, options) for count in options.counts)
        cached = measured("monai", min(5, options.counts[0]), options)
        each = cached["held"] / cached["cases"]
        heading("", f"{options.counts[0]} cases", f"{options.counts[1]} cases", "ratio")
        for name, key in (("ours, GB", "held"), ("of it the training process", "peak")):
            row(name, *(f"{one[key]:.2f}" for one in (few, many)), f"{many[key] / few[key]:.3f}")
        line = [each * count for count in options.counts]
        row(
            f"MONAI's cache, GB ({cached['cases']} cases measured)",
            *(f"{gb:.2f}" for gb in line), f"{line[1] / line[0]:.1f}",
        )  # fmt: skip


def measured(who, count, options):
    """One measurement in a process of its own."""
    begin = time.monotonic()
    sizes = [
        "--folder", options.folder, "--patch", *options.patch, "--steps", options.steps,
        "--workers", options.workers,
    ]  # fmt: skip
    arguments = map(str, ["--measure", who, count, *sizes])
    found = in_a_process(sys.executable, __file__, *arguments)
    peak = found["gigabytes"] * 2**30 / 1e9
    return found | {"seconds": time.monotonic() - begin, "peak": peak}


if __name__ == "__main__":
    main()
