"""How fast and how lean crop is: ours beside lungmask's network, in one run on the same cores.

    python benchmarks/crop_speed.py --peer /path/to/python    # a Python that has lungmask
    python benchmarks/crop_speed.py                           # ours alone
    python benchmarks/crop_speed.py --large                   # memory for 512 x 512 x 600

Ours is the whole stage, from ``image.nii.gz`` to the written working images. Of lungmask it is
the preprocessing and the network (U-Net R231 as the package builds it, two threads) on the same
slices, without its postprocessing, reading and writing. Its weights are random where they cannot
be fetched: the time does not depend on them. Each runs in a process of its own. The CT is a
low-dose screening CT from the folder of real data (``LACAF_REAL_DATA``), or ``--image``.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from measuring import PARAMS, REAL_DATA, heading, in_a_process, parsed, row, tell, timed

LARGE = (600, 512, 512)  # z y x
SIZE_MM = (358.4, 358.4, 330.0)  # of a synthetic CT; x y z


def ours(folder, runs):
    """Seconds of the stage, on the wall and of the processor; medians."""
    from lacaf.crop import crop
    from lacaf.params import whole as params

    loaded = params.load(PARAMS)
    out = folder / "crop"
    out.mkdir(exist_ok=True)
    found = []
    for _ in range(runs):
        with timed() as seconds:
            crop(loaded.crop, None, folder, out)
        found.append(seconds)
    return {key: statistics.median(run[key] for run in found) for key in found[0]}


def peer(folder):
    """Seconds of lungmask's preprocessing and network on all slices."""
    import torch
    from lungmask import utils
    from lungmask.resunet import UNet

    torch.set_num_threads(2)
    network = UNet(
        n_classes=3, padding=True, depth=5, up_mode="upsample", batch_norm=True, residual=False
    ).eval()
    hu = np.load(folder / "image.npy")
    with timed() as seconds, torch.inference_mode():
        slices, _ = utils.preprocess(hu, resolution=[256, 256])
        slices = (np.minimum(slices, 600) + 1024) / 1624
        for low in range(0, len(slices), 20):  # the package's own batch
            batch = torch.as_tensor(slices[low : low + 20][:, None], dtype=torch.float32)
            network(batch).argmax(dim=1)
    return seconds


def screening_ct():
    import SimpleITK as sitk

    from lacaf.grid import Grid
    from lacaf.volume import Volume

    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(REAL_DATA / "nlst-101287" / "dicom"))
    image = sitk.ReadImage(names)
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    array = sitk.GetArrayFromImage(image).astype(np.int16)
    return Volume(array, Grid(array.shape, affine))


def synthetic_ct(shape):
    """A synthetic chest on so many voxels (z, y, x), slab by slab."""
    from lacaf.grid import Grid
    from lacaf.params.phantom import Phantom
    from lacaf.phantom.render import render
    from lacaf.volume import Volume, resample

    spacing = np.array(SIZE_MM) / shape[::-1]
    drawn_mm = max(2.0, float(spacing.min()))
    phantom = Phantom(kind="realistic", seed=7, spacing_mm=drawn_mm, scale=1.0)
    chest = render("chest", phantom).image
    size = (np.array(shape[::-1]) - 1) * spacing
    middle = chest.grid.corners_mm().mean(axis=0)
    grid = Grid.upright(tuple(shape), tuple(spacing), tuple(middle - size / 2))
    array = np.empty(shape, np.int16)
    rng = np.random.default_rng(0)
    for low in range(0, shape[0], 50):
        part = array[low : low + 50]
        affine = grid.affine.copy()
        affine[2, 3] += low * spacing[2]
        slab = resample(chest, Grid(part.shape, affine), fill=-1000).array
        part[...] = np.rint(slab + rng.normal(0, 15, slab.shape)).clip(-1024, 3071)
    return Volume(array, grid)


def show(name, result):
    row(name, *(f"{result[k]:.2f}" for k in ("wall", "processor", "gigabytes")))


def compare(folder, python, runs):
    """A table of ours and, where a Python is named that has it, of lungmask."""
    heading("", "wall s", "processor s", "peak, GB")
    measured = ("--measure", "ours", str(folder), "--runs", str(runs))
    result = in_a_process(sys.executable, __file__, *measured)
    show("ours", result)
    if not python:
        print("\nleft out: lungmask; name a Python that has it with --peer")
        return
    other = in_a_process(python, __file__, "--measure", "peer", str(folder))
    show("lungmask, network alone", other)
    wall, busy = (other[k] / result[k] for k in ("wall", "processor"))
    print(f"\nours is {wall:.0f} times as fast ({busy:.0f} times by processor seconds)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, help="a NIfTI file in HU")
    parser.add_argument(
        "--shape", type=int, nargs=3, help="a synthetic CT of so many voxels, z y x"
    )
    parser.add_argument("--large", dest="shape", action="store_const", const=LARGE,
                        help="one of 512 x 512 x 600")  # fmt: skip
    parser.add_argument("--peer", help="a Python with lungmask and torch")
    parser.add_argument("--runs", type=int, default=3, help="of ours; the median counts")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parsed(parser, shape=(80, 80, 80), runs=1)
    if options.measure:
        which, name = options.measure
        tell(ours(Path(name), options.runs) if which == "ours" else peer(Path(name)))
        return
    from lacaf import volume

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.image:
            image = volume.read(options.image)
        else:
            image = synthetic_ct(options.shape) if options.shape else screening_ct()
        volume.write(image, folder / "image.nii.gz")
        shape = " × ".join(map(str, image.array.shape))
        spacing = " × ".join(f"{s:.3g}" for s in image.grid.spacing_mm)
        print(f"{shape} voxels (z, y, x) of {spacing} mm\n", flush=True)
        if options.peer:
            np.save(folder / "image.npy", image.array)
        del image
        compare(folder, options.peer, options.runs)


if __name__ == "__main__":
    main()
