"""Can artery be told from vein by context alone, where both have the same HU?

    python benchmarks/identity.py --minutes 65

Renders a `realistic` cohort in which arteries and veins have the same HU in every case (other
draws of the generator are passed over), with trees of real calibre in a thorax small enough
for two cores and a grid on which bronchi beside arteries show. Trains the language-guided net
on full truth for the given time and scores unseen cases on the true centrelines: at each of
their voxels, found by the net or not, the more probable vessel is the answer; beside it "always
the majority" of that very case. Progress goes to the terminal; `docs/results/identity.md` is
rewritten at every scoring, so the result so far can be read at any time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from skimage.morphology import skeletonize

from lacaf import files, tracking, volume
from lacaf.cases import Case
from lacaf.classes import CLASSES
from lacaf.embed import embed
from lacaf.infer import load
from lacaf.model.device import describe
from lacaf.model.inputs import network_input
from lacaf.model.window import probabilities
from lacaf.params.phantom import Phantom
from lacaf.params.whole import Params, parse
from lacaf.phantom import appearance
from lacaf.phantom.render import render
from lacaf.train import train

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "docs" / "results" / "identity.md"
MARGIN_MM = 6.0
OVERLAP = 0.5
WIDE_MM = 2.0  # radius; bronchi run visibly beside arteries of this calibre
EARLY_SHARE = 0.5  # of the time: small patches


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=65, help="of training, about")
    parser.add_argument("--work", type=Path, default=Path("/tmp/lacaf-identity"))
    parser.add_argument("--train", type=int, default=32, help="cases to learn from")
    parser.add_argument("--test", type=int, default=6, help="cases to score")
    parser.add_argument("--scale", type=float, default=0.6, help="size of the thorax")
    parser.add_argument("--spacing", type=float, default=1.5, help="of scans and grid, mm")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--patch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=0.004)
    parser.add_argument("--network", choices=("lacaf", "unet"), default="lacaf")
    parser.add_argument("--score-every", type=float, default=6.0, help="minutes")
    return parser.parse_args()


def names_with_same_hu(phantom: Phantom, wanted: int) -> list[str]:
    """The first names whose draw gives artery and vein one HU, found without rendering."""
    found: list[str] = []
    number = 0
    while len(found) < wanted:
        number += 1
        case = f"phantom{number:03d}"
        root = np.random.SeedSequence([phantom.seed, zlib.crc32(case.encode())])
        look = appearance.contrast(phantom.kind, np.random.default_rng(root.spawn(5)[3]))
        if look.artery_hu == look.vein_hu:
            found.append(case)
    return found


def prepare(case: str, phantom: Phantom, work: Path, spacing_mm: float) -> None:
    """Render a case and lay it out as convert, crop and harmonize would, with true lungs."""
    if (work / "harmonize" / case / "coverage.json").exists():
        return
    rendered = render(case, phantom)
    if not rendered.facts["same_hu"]:
        raise RuntimeError(f"{case} has two HU: the generator's draws have changed order")
    inside = np.argwhere(rendered.lungs.array > 0)
    corners = rendered.lungs.grid.to_mm(np.array([inside.min(0), inside.max(0)]))
    grid = volume.upright_grid_around(corners, spacing_mm, MARGIN_MM)
    for stage in ("truth", "crop", "harmonize"):
        (work / stage / case).mkdir(parents=True, exist_ok=True)
    image = volume.resample(rendered.image, grid, fill=-1000.0)
    volume.write(
        volume.Volume(np.rint(image.array).astype(np.int16), grid),
        work / "crop" / case / "image.nii.gz",
    )
    for source, path in (
        (rendered.lungs, work / "crop" / case / "lungs.nii.gz"),
        (rendered.labels, work / "harmonize" / case / "labels_working.nii.gz"),
    ):
        volume.write(volume.resample(source, grid, "nearest"), path)
    volume.write(rendered.labels, work / "truth" / case / "labels.nii.gz")
    volume.write(rendered.lungs, work / "truth" / case / "lungs.nii.gz")
    files.write_json(work / "truth" / case / "facts.json", rendered.facts)
    states = dict.fromkeys(CLASSES, "labelled")
    content = {"case": case, "status": "ok", "coverage": states}
    files.write_json(work / "harmonize" / case / "coverage.json", content)


def score(case: str, model_folder: Path, work: Path) -> dict[str, float]:
    """Identity on the true centrelines of one case, and Dice of all vessels together."""
    model = load(model_folder)
    image = volume.read(work / "crop" / case / "image.nii.gz")
    lungs = volume.read(work / "crop" / case / "lungs.nii.gz").array
    seen = network_input(
        image.array, lungs, image.grid, model.about["hu_window"], model.about["blood_window"]
    )
    chance = probabilities(
        model.network, seen.channels(), model.about["patch"], OVERLAP, model.device
    )
    labels = volume.read(work / "truth" / case / "labels.nii.gz")
    true_lungs = volume.read(work / "truth" / case / "lungs.nii.gz").array
    points, artery, in_lung, radius = [], [], [], []
    for is_artery, mask in (
        (True, np.isin(labels.array, (1, 3))),
        (False, np.isin(labels.array, (2, 4))),
    ):
        line = np.argwhere(skeletonize(mask))
        points.append(line)
        artery.append(np.full(len(line), is_artery))
        in_lung.append(true_lungs[tuple(line.T)] > 0)
        to_wall = ndimage.distance_transform_edt(mask, sampling=labels.grid.spacing_mm)
        radius.append(to_wall[tuple(line.T)])
    truth, inside = np.concatenate(artery), np.concatenate(in_lung)
    wide = inside & (np.concatenate(radius) >= WIDE_MM)
    place = image.grid.to_index(labels.grid.to_mm(np.concatenate(points)))
    index = np.clip(np.rint(place).astype(int), 0, np.array(image.grid.shape) - 1)
    here = chance[:, index[:, 0], index[:, 1], index[:, 2]]
    right = (here[[0, 2]].max(0) > here[[1, 3]].max(0)) == truth
    working = volume.read(work / "harmonize" / case / "labels_working.nii.gz").array > 0
    found = chance.max(0) > 0.5
    return {
        "voxels": len(truth),
        "accuracy": float(right.mean()),
        "majority": float(max(truth.mean(), 1 - truth.mean())),
        "voxels_in_lungs": int(inside.sum()),
        "accuracy_in_lungs": float(right[inside].mean()),
        "majority_in_lungs": float(max(truth[inside].mean(), 1 - truth[inside].mean())),
        "accuracy_wide": float(right[wide].mean()),
        "majority_wide": float(max(truth[wide].mean(), 1 - truth[wide].mean())),
        "found": float((here.max(0) > 0.5).mean()),
        "dsc_vessel": float(2 * (found & working).sum() / (found.sum() + working.sum())),
    }


class Progress(tracking.Tracker):
    """Prints validations, and scores the test cases and rewrites the result now and then."""

    def __init__(
        self, options: argparse.Namespace, names: list[str], folder: Path, params: Params
    ) -> None:
        self.options, self.names, self.folder, self.params = options, names, folder, params
        self.begin = self.last = time.monotonic()
        self.commit = tracking.git_commit()
        self.curve: list[tuple[float, int, float, float, float]] = []

    def metrics(self, values: Mapping[str, float | None], step: int) -> None:
        """Called after each validation."""
        shown = ("train_loss", "val_loss", "val_dice", "identity_accuracy", "seconds")
        print(step, *(f"{key} {values[key]:.3f}" for key in shown), flush=True)
        now = time.monotonic()
        if now - self.last > 60 * self.options.score_every:
            self.report(step, final=False)
            self.last = time.monotonic()

    def report(self, step: int, final: bool) -> None:
        """Score the test cases with the best weights so far."""
        rows = {name: score(name, self.folder, self.options.work) for name in self.names}
        mean = {k: float(np.mean([r[k] for r in rows.values()])) for k in next(iter(rows.values()))}
        minutes = (time.monotonic() - self.begin) / 60
        self.curve.append(
            (minutes, step, mean["accuracy"], mean["accuracy_in_lungs"], mean["dsc_vessel"])
        )
        print("TEST", f"minutes {minutes:.1f}", *(f"{k} {v:.3f}" for k, v in mean.items()),
              flush=True)  # fmt: skip
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(self.page(rows, mean, step, final))

    def page(
        self, rows: Mapping[str, Mapping], mean: Mapping[str, float], step: int, final: bool
    ) -> str:
        """The result as Markdown."""
        o = self.options
        about = json.loads((self.folder / "model.json").read_text())
        state = "" if final else f" **Still training** (step {step} of {self.params.train.steps})."
        lines = [
            "# Can artery be told from vein by context alone?",
            "",
            "Synthetic data. In every case, of training and test alike, arteries and veins have "
            "the same HU, so only context can tell them apart: bronchi beside arteries, what "
            f"hangs together, where in the lung it lies.{state}",
            "",
            f"    {' '.join(['python', 'benchmarks/identity.py', *sys.argv[1:]])}",
            "",
            f"Commit {self.commit}; {about['device']}; network `{o.network}`, width "
            f"{o.width}, {o.patch}³ patches, {o.train} training cases; thorax at {o.scale:g} of "
            f"an adult's size, calibres as in adults, grid {o.spacing:g} mm; weights of step "
            f"{about['step']}, "
            f"{self.curve[-1][0]:.0f} minutes after the start, on a shared machine.",
            "",
            "Share of true centreline voxels, found by the net or not, whose more probable vessel "
            "is the true one; beside it what naming each voxel the case's commoner vessel gives. "
            "`in lungs` leaves out the great vessels of the mediastinum; `wide` "
            f"are those in the lungs with a radius of at least {WIDE_MM:g} mm. `found` is the "
            "share of the centreline on which some class is more probable than not.",
            "",
            "| case | centreline voxels | accuracy | always the majority | in lungs: accuracy "
            "| in lungs: majority | wide: accuracy | wide: majority | found | DSC, all vessels |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        for name, row in [*rows.items(), ("mean", mean)]:
            lines.append(
                f"| {name} | {row['voxels']:.0f} | {row['accuracy']:.3f} | {row['majority']:.3f} | "
                f"{row['accuracy_in_lungs']:.3f} | {row['majority_in_lungs']:.3f} | "
                f"{row['accuracy_wide']:.3f} | {row['majority_wide']:.3f} | "
                f"{row['found']:.3f} | {row['dsc_vessel']:.3f} |"
            )
        lines += ["", "How it came about (test cases, best weights so far):", ""]
        lines += [
            "| minutes | step | accuracy | in lungs | DSC, all vessels |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {m:.0f} | {s} | {a:.3f} | {b:.3f} | {d:.3f} |" for m, s, a, b, d in self.curve
        ]
        return "\n".join(lines) + "\n"


def configuration(options: argparse.Namespace, steps: int, early: int) -> Params:
    """The demo's parameters with this benchmark's training."""
    import yaml

    content = yaml.safe_load((ROOT / "params" / "demo.yaml").read_text())
    encoder = "minilm" if options.network == "lacaf" else None
    content["phantom"] |= {
        "kind": "realistic", "seed": options.seed, "spacing_mm": options.spacing,
        "scale": options.scale,
    }  # fmt: skip
    content["crop"]["spacing_mm"] = options.spacing
    content["train"] |= {
        "experiments": {"identity": {"network": options.network, "encoder": encoder}},
        "width": options.width,
        "patch": [options.patch] * 3,
        "batch": 2,
        "early": {"patch": [32] * 3, "batch": 2, "steps": early},
        "steps": steps,
        "validate_every": max(1, min(400, steps // 2)),
        "learning_rate": options.rate,
        "warmup_steps": 20,
        "hu_window": [-1024.0, 400.0],
        "augment": True,
    }
    return parse(content)


def seconds_a_step(
    options: argparse.Namespace, cases: Mapping[str, Case], folder: Path, small: bool
) -> float:
    """Measured on this machine, as busy as it is now."""
    steps = 30 if small else 8
    params = configuration(options, steps, steps if small else 0)
    begin = time.monotonic()
    train("identity", 0, params, cases, options.work, folder, tracking.Tracker())
    return (time.monotonic() - begin) / steps


def main() -> None:
    options = arguments()
    phantom = configuration(options, 1, 0).phantom
    val = 2
    names = names_with_same_hu(phantom, options.train + val + options.test)
    splits = ["test"] * options.test + ["val"] * val + ["train"] * options.train
    nowhere = Path("phantom")
    cases = {
        name: Case(name, name, nowhere, nowhere, "four_classes", "both", split)
        for name, split in zip(names, splits, strict=True)
    }
    for name in names:
        prepare(name, phantom, options.work, options.spacing)
        print(f"rendered {name}", flush=True)
    stored = options.work / "embed" / "minilm"
    stored.mkdir(parents=True, exist_ok=True)
    files.write_json(stored / "embedding.json", embed("minilm", configuration(options, 1, 0).embed))
    folder = options.work / "model"
    folder.mkdir(exist_ok=True)
    few = {name: case for name, case in cases.items() if case.split == "train"}
    few = dict(list(few.items())[:2])
    early, late = (
        round(60 * options.minutes * share / seconds_a_step(options, few, folder, small))
        for share, small in ((EARLY_SHARE, True), (1 - EARLY_SHARE, False))
    )
    print(f"{early} + {late} steps on {describe(torch.device('cpu'))}", flush=True)
    steps = max(10, early + late)
    params = configuration(options, steps, early)
    tests = [name for name in names if cases[name].split == "test"]
    progress = Progress(options, tests, folder, params)
    train("identity", 0, params, cases, options.work, folder, progress)
    progress.report(steps, final=True)


if __name__ == "__main__":
    main()
