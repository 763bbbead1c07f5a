"""Can artery be told from vein by context alone, where both have the same HU?

    python benchmarks/artery_vein.py --minutes 65

Renders a `realistic` cohort in which arteries and veins have the same HU in every case (other
draws of the generator are passed over), with trees of real calibre in a thorax small enough
for two cores and a grid on which bronchi beside arteries show. Trains the language-guided net
on full truth for the given time and scores unseen cases on the true centrelines: at each of
their voxels, found by the net or not, the more probable vessel is the answer; beside it "always
the majority" of that very case. The test cases are scored once, at the end. With ``--work`` a
training that was stopped is gone on with by the same command.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml
from measuring import PARAMS, REPOSITORY, parsed
from same_hu_cohort import case_table, lay_out, names_with_same_hu
from scipy import ndimage
from skimage.morphology import skeletonize

from lacaf import files, tracking, volume
from lacaf.cases import Case
from lacaf.classes import values_of
from lacaf.embed import embed
from lacaf.infer import load
from lacaf.model.device import choose
from lacaf.model.inputs import network_input
from lacaf.model.window import probabilities
from lacaf.params.whole import Params, parse
from lacaf.train import Checkpoint, Machine, train

EXPERIMENT = "artery_vein"
ENCODER = "minilm"
ARTERY, VEIN = values_of(vessel="artery"), values_of(vessel="vein")
#: The places of both among the network's outputs.
OUTPUTS = [value - 1 for value in (*ARTERY, *VEIN)]
OVERLAP = 0.5
WIDE_MM = 2.0  # radius; bronchi run visibly beside arteries of this calibre
EARLY_FRACTION = 0.5  # of the time: small patches


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=65, help="of training, about")
    parser.add_argument("--work", type=Path, help="keep cases and model here; else they go")
    parser.add_argument("--result", type=Path,
                        default=REPOSITORY / "docs" / "results" / "artery_vein.md",
                        help="the page that is written; it is printed too")  # fmt: skip
    parser.add_argument("--train", type=int, default=32, help="cases to learn from")
    parser.add_argument("--val", type=int, default=2, help="cases to choose the weights by")
    parser.add_argument("--test", type=int, default=6, help="cases to score")
    parser.add_argument("--scale", type=float, default=0.6, help="size of the thorax")
    parser.add_argument("--spacing", type=float, default=1.5, help="of scans and grid, mm")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--patch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=0.004)
    parser.add_argument("--network", choices=("lacaf", "unet"), default="lacaf")
    return parsed(
        parser, minutes=0.02, result=None, train=2, val=1, test=1, scale=0.4, spacing=4.0,
        width=2, patch=16,
    )  # fmt: skip


def score(case: str, model_folder: Path, work: Path) -> dict[str, float]:
    """Artery–vein classification on a case's true centrelines, and Dice of all its vessels."""
    model = load(model_folder)
    image = volume.read(work / "crop" / case / "image.nii.gz")
    lungs = volume.read(work / "crop" / case / "lungs.nii.gz").array
    seen = network_input(image.array, lungs, image.grid)
    windows = (model.about["hu_window"], model.about["blood_window"])
    probability = probabilities(
        model.network, seen, windows, model.about["patch"], OVERLAP, model.device
    )
    labels = volume.read(work / "truth" / case / "labels.nii.gz")
    true_lungs = volume.read(work / "truth" / case / "lungs.nii.gz").array
    points, artery, in_lung, radius = [], [], [], []
    for is_artery, values in ((True, ARTERY), (False, VEIN)):
        mask = np.isin(labels.array, values)
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
    here = probability[:, index[:, 0], index[:, 1], index[:, 2]]
    as_artery, as_vein = (here[[value - 1 for value in values]].max(0) for values in (ARTERY, VEIN))
    right = (as_artery > as_vein) == truth
    working = volume.read(work / "harmonize" / case / "labels_working.nii.gz").array
    drawn = np.isin(working, (*ARTERY, *VEIN))
    found = probability[OUTPUTS].max(0) > 0.5
    return {
        "voxels": len(truth),
        "accuracy": float(right.mean()),
        "majority": float(max(truth.mean(), 1 - truth.mean())),
        "voxels_in_lungs": int(inside.sum()),
        "accuracy_in_lungs": float(right[inside].mean()),
        "majority_in_lungs": float(max(truth[inside].mean(), 1 - truth[inside].mean())),
        "accuracy_wide": float(right[wide].mean()),
        "majority_wide": float(max(truth[wide].mean(), 1 - truth[wide].mean())),
        "found": float((here[OUTPUTS].max(0) > 0.5).mean()),
        "dsc_vessel": float(2 * (found & drawn).sum() / (found.sum() + drawn.sum())),
    }


def page(
    options: argparse.Namespace, rows: Mapping[str, Mapping], commit: str, folder: Path
) -> str:
    """The result as Markdown, from each test case's scores and the model's folder."""
    o = options
    mean = {k: float(np.mean([r[k] for r in rows.values()])) for k in next(iter(rows.values()))}
    about = json.loads((folder / "model.json").read_text())
    history = list(csv.DictReader((folder / "history.csv").open(newline="")))
    lines = [
        "# Can artery be told from vein by context alone?",
        "",
        "Synthetic data. In every case, of training and test alike, arteries and veins have "
        "the same HU, so only context can tell them apart: bronchi beside arteries, what "
        "hangs together, where in the lung it lies.",
        "",
        f"    {' '.join(['python', 'benchmarks/artery_vein.py', *sys.argv[1:]])}",
        "",
        f"Commit {commit}; {about['device']}; network `{o.network}`, width "
        f"{o.width}, {o.patch}³ patches, {o.train} training cases; thorax at {o.scale:g} of "
        f"an adult's size, calibres as in adults, grid {o.spacing:g} mm; weights of step "
        f"{about['step']} of {history[-1]['step']}, "
        f"{float(history[-1]['seconds']) / 60:.0f} minutes of training.",
        "",
        "Fraction of true centreline voxels, found by the net or not, whose more probable "
        "vessel is the true one; beside it what naming each voxel the case's commoner vessel "
        "gives. `in lungs` leaves out the great vessels of the mediastinum; `wide` "
        f"are those in the lungs with a radius of at least {WIDE_MM:g} mm. `found` is the "
        "fraction of the centreline on which some class is more probable than not.",
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
    lines += ["", "How it came about, on the validation cases (accuracy of all vessel voxels):", ""]
    lines += ["| step | minutes | accuracy | DSC, mean of the classes |", "|---|---|---|---|"]
    for row in history:
        minutes, accuracy = float(row["seconds"]) / 60, float(row["identity_accuracy"])
        dice = float(row["val_dice"])
        lines.append(f"| {row['step']} | {minutes:.0f} | {accuracy:.3f} | {dice:.3f} |")
    return "\n".join(lines) + "\n"


def configuration(options: argparse.Namespace, steps: int, early: int) -> Params:
    """The demo's parameters with this benchmark's training."""
    content = yaml.safe_load(PARAMS.read_text())
    encoder = ENCODER if options.network == "lacaf" else None
    content["phantom"] |= {
        "kind": "realistic", "seed": options.seed, "spacing_mm": options.spacing,
        "scale": options.scale,
    }  # fmt: skip
    content["crop"]["spacing_mm"] = options.spacing
    content["train"] |= {
        "experiments": {EXPERIMENT: {}},
        "network": options.network,
        "encoder": encoder,
        "width": options.width,
        "patch": [options.patch] * 3,
        "batch": 2,
        "early": {"patch": [min(32, options.patch)] * 3, "batch": 2, "steps": early},
        "steps": steps,
        "validate_every": max(1, min(400, steps // 2)),
        "learning_rate": options.rate,
        "warmup_steps": 20,
        "hu_window": [-1024.0, 400.0],
    }
    return parse(content)


def learn(params: Params, cases: Mapping[str, Case], work: Path, folder: Path) -> None:
    """Train the one experiment; one that was stopped is gone on with."""
    recipe = params.train.recipe(EXPERIMENT)
    checkpoint = Checkpoint(folder.with_suffix(".checkpoint"), {"recipe": repr(recipe)})
    machine = Machine(choose("auto"))
    train(
        EXPERIMENT, 0, recipe, params.crop, cases, work, folder, tracking.Tracker(), machine,
        checkpoint,
    )  # fmt: skip
    checkpoint.remove()


def seconds_a_step(
    options: argparse.Namespace, cases: Mapping[str, Case], work: Path, small: bool
) -> float:
    """Measured on this machine, as busy as it is now."""
    steps = 30 if small else 8
    params = configuration(options, steps, steps if small else 0)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        learn(params, cases, work, Path(folder) / "model")
        return (time.monotonic() - begin) / steps


def planned(options: argparse.Namespace, cases: Mapping[str, Case], work: Path) -> tuple[int, int]:
    """Early and later steps that fill the time; kept, so that the same command goes on."""
    kept = work / "steps.json"
    if not kept.exists():
        few = dict([(n, c) for n, c in cases.items() if c.split == "train"][:2])
        steps = []
        for part, small in ((EARLY_FRACTION, True), (1 - EARLY_FRACTION, False)):
            step = seconds_a_step(options, few, work, small)
            steps.append(max(5, round(60 * options.minutes * part / step)))
        files.write_json(kept, steps)
    early, late = files.read_json(kept)
    return early, late


def run(options: argparse.Namespace, work: Path) -> None:
    """Render, train and score below a folder."""
    commit = tracking.git_commit()
    params = configuration(options, 1, 0)
    names = names_with_same_hu(params.phantom, options.train + options.val + options.test)
    cases = case_table(names, options.val, options.test, work)
    for name in names:
        lay_out(name, params.phantom, work, options.spacing)
        print(f"rendered {name}", flush=True)
    prompts = params.train.recipe(EXPERIMENT).prompts
    stored = work / "embed" / ENCODER / prompts
    stored.mkdir(parents=True, exist_ok=True)
    files.write_json(stored / "embedding.json", embed(ENCODER, prompts, params.embed))
    early, late = planned(options, cases, work)
    folder = work / "model"
    learn(configuration(options, early + late, early), cases, work, folder)
    rows = {name: score(name, folder, work) for name in names if cases[name].split == "test"}
    result = page(options, rows, commit, folder)
    if options.result:
        options.result.parent.mkdir(parents=True, exist_ok=True)
        options.result.write_text(result)
    print(result)


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        run(options, options.work or Path(temporary))


if __name__ == "__main__":
    main()
