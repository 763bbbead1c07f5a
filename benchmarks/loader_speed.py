"""How fast patches come: our loader beside nnU-Net's and MONAI's, in one run on the same cores.

    python benchmarks/loader_speed.py --folder DIR --patch 128 128 128    # made once, some minutes
    python benchmarks/loader_speed.py --folder DIR --patch 64 64 64

All read the same volumes (int16 CTs of 350 x 350 x 350 with noise and vessel trees) with as many
worker processes, and all processes of one share ``--cores`` cores:

- ours: what stage prepare wrote, ``lacaf.train.patches``; changes are made in the main process,
  as for a training on the CPU, up to the network's five input channels;
- nnU-Net: its blosc2 data set with chunks for this patch, ``nnUNetDataLoader``, its own training
  transforms on its enlarged patch, ``NonDetMultiThreadedAugmenter``;
- MONAI: ``CacheDataset`` with everything in memory, candidate voxels too, and without copies of
  whole volumes; its transforms of the same kinds with the same chances.

Of each, patches a second when they are only loaded, and when they are changed as well, each kind
with nnU-Net's chance. All files are in the page cache. Each runs in a process of its own, in turn;
a ratio is the median of the rounds' own.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from measuring import PARAMS, heading, in_a_process, parsed, processor_seconds, row, tell
from prepared_cohort import case_table, folder_of, lay_out

NAMES = {"ours": "lacaf", "nnunet": "nnunetv2", "monai": "monai"}
#: The chance of each kind, a patch: nnU-Net's.
CHANCES = {
    "mirror": 0.5, "rotate": 0.2, "scale": 0.2, "noise": 0.1, "blur": 0.2, "brightness": 0.15,
    "contrast": 0.15, "low_resolution": 0.25, "gamma": 0.3, "phase": 0.0,
}  # fmt: skip
CLASSES = (1, 2, 3, 4)
#: Seconds before the clock starts: workers have filled their queues by then.
WARM_UP = 2.0


def ours(folder, options, changed):
    import torch

    from lacaf.model.device import choose
    from lacaf.model.inputs import channels
    from lacaf.params import whole as params
    from lacaf.train.augment import augment, shown
    from lacaf.train.patches import Patches, Portions, loader
    from lacaf.train.prepared import read

    choose("cpu")
    train = params.load(PARAMS).train
    chances = CHANCES if changed else dict.fromkeys(CHANCES, 0.0)
    content = train.recipe("unet").model_dump() | {
        "patch": options.patch,
        "batch": options.batch,
        "steps": 10**6,
        "augment": chances,
    }
    content["early"]["steps"] = 0
    recipe = type(train.recipe("unet")).model_validate(content)
    cases = read(case_table(folder, options.cases).values(), "train", folder)
    batches = loader(
        Patches(cases, recipe, 0), Portions(recipe, 0, 0, 1), options.workers, pin=False
    )
    for batch in batches:
        if not changed:
            yield batch["hu"]
            continue
        with torch.no_grad():
            changes = batch.pop("changes")
            seen = augment(batch, changes, recipe.blood_window)
            del seen["facts"], seen["covered"]
            windows = {"hu_window": recipe.hu_window, "blood_window": recipe.blood_window}
            yield shown(channels(**seen, **windows), changes)


def nnunet(folder, options, changed):
    from batchgenerators.dataloading.nondet_multi_threaded_augmenter import (
        NonDetMultiThreadedAugmenter,
    )
    from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
    from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
    from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

    turn = (-np.pi / 6, np.pi / 6)
    labels = LabelManager({"background": 0, **{str(k): k for k in CLASSES}}, None)
    transforms, size = None, options.patch
    if changed:
        transforms = nnUNetTrainer.get_training_transforms(
            np.array(options.patch), turn, None, (0, 1, 2), False, [False]
        )
        size = get_patch_size(options.patch, turn, turn, turn, (0.85, 1.25))
    patches = nnUNetDataLoader(
        nnUNetDatasetBlosc2(str(nnunet_folder(folder, options.patch))),
        options.batch, size, options.patch, labels, 0.33, transforms=transforms,
    )  # fmt: skip
    batches = NonDetMultiThreadedAugmenter(
        patches, None, options.workers, max(6, options.workers // 2), wait_time=0.002
    )
    try:
        for batch in batches:
            yield batch["data"]
    finally:
        batches._finish()


def monai(folder, options, changed):
    from monai import data, transforms
    from torch.utils.data import RandomSampler

    data.set_track_meta(False)
    both, image = ["image", "label"], ["image"]
    kept = transforms.Compose(
        [
            transforms.LoadImaged(both, ensure_channel_first=True, channel_dim="no_channel"),
            transforms.ScaleIntensityRanged(image, -1000, 400, 0, 1),
            transforms.CastToTyped(["label"], np.uint8),
            transforms.ClassesToIndicesd(
                ["label"], num_classes=len(CLASSES) + 1, max_samples_per_class=20_000
            ),
        ]
    )
    cut = transforms.RandCropByLabelClassesd(
        both, "label", options.patch, [1.0] * (len(CLASSES) + 1), len(CLASSES) + 1, 1,
        indices_key="label_cls_indices",
    )  # fmt: skip
    own = transforms.SelectItemsd(both)
    chance = CHANCES
    turned_or_scaled = 1 - (1 - chance["rotate"]) * (1 - chance["scale"])
    changes = [
        transforms.RandAffined(
            both, prob=turned_or_scaled, rotate_range=[np.pi / 6] * 3,
            scale_range=[(-0.3, 0.4)] * 3, mode=("bilinear", "nearest"), padding_mode="zeros",
        ),
        transforms.RandGaussianNoised(image, prob=chance["noise"], std=0.1),
        transforms.RandGaussianSmoothd(image, *[(0.5, 1.0)] * 3, prob=chance["blur"]),
        transforms.RandScaleIntensityd(image, 0.25, prob=chance["brightness"]),
        transforms.RandScaleIntensityFixedMeand(
            image, prob=chance["contrast"], factors=0.25, preserve_range=True
        ),
        transforms.RandSimulateLowResolutiond(
            image, prob=chance["low_resolution"], zoom_range=(0.5, 1.0)
        ),
        transforms.RandAdjustContrastd(image, prob=chance["gamma"], gamma=(0.7, 1.5)),
        transforms.RandFlipd(both, prob=chance["mirror"], spatial_axis=2),
    ]  # fmt: skip
    files = [
        {"image": folder / "monai" / f"{n}.npy", "label": folder / "labels.npy"}
        for n in range(options.cases)
    ]
    cached = data.CacheDataset(files, kept, num_workers=1, copy_cache=False, progress=False)
    chain = transforms.Compose([cut, own, *(changes if changed else [])])
    patches = data.Dataset(cached, chain)
    batches = data.DataLoader(
        patches, batch_size=options.batch, num_workers=options.workers, prefetch_factor=4,
        sampler=RandomSampler(patches, replacement=True, num_samples=10**6),
    )  # fmt: skip
    for batch in batches:
        yield batch["image"]


def nnunet_folder(folder, patch):
    """Chunks follow the patch, so each has a data set of its own."""
    return folder / ("nnunet-" + "-".join(map(str, patch)))


def write_nnunet(folder, options):
    """The data set as nnU-Net's preprocessor writes it for this patch, on the same grid."""
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.training.dataloading.nnunet_dataset import (
        comp_blosc2_params,
        nnUNetDatasetBlosc2,
    )

    out = nnunet_folder(folder, options.patch)
    if out.exists():
        return
    out.mkdir()
    segmentation = np.load(folder / "labels.npy")[None].astype(np.int16)
    places = DefaultPreprocessor._sample_foreground_locations(segmentation, list(CLASSES))
    for number in range(options.cases):
        hu = image_of(folder, number)[None].astype(np.float32)
        seen = hu[segmentation > 0]
        low, high = np.percentile(seen, (0.5, 99.5))  # nnU-Net's way with CT
        hu = (hu.clip(low, high) - seen.mean()) / seen.std()
        sizes = {}
        for array, suffix in ((hu, ""), (segmentation, "_seg")):
            blocks, chunks = comp_blosc2_params(array.shape, tuple(options.patch), array.itemsize)
            sizes |= {f"blocks{suffix}": blocks, f"chunks{suffix}": chunks}
        about = {"class_locations": places}
        nnUNetDatasetBlosc2.save_case(hu, segmentation, about, str(out / f"{number}"), **sizes)


def write_monai(folder, options):
    out = folder / "monai"
    if not out.exists():
        out.mkdir()
        for number in range(options.cases):
            np.save(out / f"{number}.npy", image_of(folder, number))


def image_of(folder, number):
    from lacaf import chunked

    return chunked.read(folder_of(folder, number) / "hu.b2nd")


def measure(which, folder, options):
    """Patches a second and processor milliseconds a patch: loaded, and changed as well."""
    import torch

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    torch.set_num_threads(options.threads)
    for path in folder.rglob("*"):  # into the page cache
        if path.is_file():
            path.read_bytes()
    found = {}
    for what in options.lines:
        batches = {"ours": ours, "nnunet": nnunet, "monai": monai}[which](
            folder, options, what == "changed"
        )
        size = (options.batch, *options.patch)
        begin = time.perf_counter()
        first = next(batches)
        assert (first.shape[0], *first.shape[-3:]) == size, first.shape
        started = time.perf_counter()
        while time.perf_counter() - started < WARM_UP * options.seconds / 10:
            next(batches)
        patches, clock, busy = 0, time.perf_counter(), processor_seconds()
        while time.perf_counter() - clock < options.seconds:
            next(batches)
            patches += options.batch
        took, busy = time.perf_counter() - clock, processor_seconds() - busy
        batches.close()
        found[what] = {
            "rate": patches / took, "busy": 1000 * busy / patches, "first": started - begin,
        }  # fmt: skip
    tell(found)


def compare(folder, options):
    """Rounds in turn, and a table of each line."""
    passed = json.dumps(vars(options) | {"folder": str(folder)}, default=str)
    results = {which: [] for which in options.only}
    for _ in range(options.rounds):
        for which, runs in results.items():
            runs.append(in_a_process(sys.executable, __file__, "--measure", which, passed))
    for line in options.lines:
        print(f"\n{line}:\n")
        heading("", "patches/s", "processor ms/patch", "ours / this")
        for which, runs in results.items():
            rate, busy = (statistics.median(r[line][k] for r in runs) for k in ("rate", "busy"))
            ratio = ""
            if "ours" in results and which != "ours":
                pairs = zip(results["ours"], runs, strict=True)
                one = statistics.median(a[line]["rate"] / b[line]["rate"] for a, b in pairs)
                ratio = f"**{one:.2f}**"
            row(f"{which} {version(NAMES[which])}", f"{rate:.1f}", f"{busy:.1f}", ratio)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(350, 350, 350), help="z y x")
    parser.add_argument("--cases", type=int, default=8)
    parser.add_argument("--patch", type=int, nargs=3, default=(128, 128, 128), help="z y x")
    parser.add_argument("--batch", type=int, default=2, help="patches")
    parser.add_argument("--workers", type=int, default=2, help="processes that read, of each")
    parser.add_argument("--cores", type=int, default=2, help="that all processes of each share")
    parser.add_argument("--threads", type=int, default=1, help="of the main process")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(NAMES), default=list(NAMES))
    parser.add_argument("--lines", nargs="+", choices=("loaded", "changed"),
                        default=("loaded", "changed"))  # fmt: skip
    parser.add_argument("--folder", type=Path, help="keep the cohort here, and use it again")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parsed(parser, shape=(48, 48, 48), cases=2, patch=(16, 16, 16), seconds=0.2, rounds=1)
    if options.measure:
        which, passed = options.measure
        options = argparse.Namespace(**json.loads(passed))
        measure(which, Path(options.folder), options)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "labels.npy").exists():
            lay_out(folder, options.shape, options.cases)
        options.shape = np.load(folder / "labels.npy", mmap_mode="r").shape
        options.cases = min(options.cases, len(list((folder / "prepare").iterdir())))
        write_nnunet(folder, options)
        write_monai(folder, options)
        shape, patch = (" x ".join(map(str, n)) for n in (options.shape, options.patch))
        print(
            f"{options.cases} cases of {shape} voxels, patches of {patch}, batches of "
            f"{options.batch}, {options.workers} workers, {options.cores} cores",
            flush=True,
        )
        compare(folder, options)


if __name__ == "__main__":
    main()
