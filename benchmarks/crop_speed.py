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
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).parents[1]
DATA = Path(os.environ.get("LACAF_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
PARAMS = REPOSITORY / "params" / "demo.yaml"
RUNS = 3
LARGE = ((600, 512, 512), (0.7, 0.7, 0.55))  # z y x; mm x y z


def ours(folder):
    """Seconds of the stage, on the wall and of the processor; medians."""
    import lacaf.crop
    from lacaf.params import whole as params

    loaded = params.load(PARAMS)
    out = folder / "crop"
    out.mkdir(exist_ok=True)
    seconds, processor = [], []
    for _ in range(RUNS):
        start, busy = time.perf_counter(), time.process_time()
        lacaf.crop.crop(loaded.crop, {}, folder, out)
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - busy)
    return {"seconds": statistics.median(seconds), "processor": statistics.median(processor)}


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
    start, busy = time.perf_counter(), time.process_time()
    slices, _ = utils.preprocess(hu, resolution=[256, 256])
    slices = (np.minimum(slices, 600) + 1024) / 1624
    with torch.inference_mode():
        for low in range(0, len(slices), 20):  # the package's own batch
            batch = torch.as_tensor(slices[low : low + 20][:, None], dtype=torch.float32)
            network(batch).argmax(dim=1)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "processor": time.process_time() - busy}


def measure(which, folder):
    result = {"ours": ours, "peer": peer}[which](folder)
    result["gigabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(result))


def in_a_process(python, which, folder):
    command = [python, __file__, "--measure", which, str(folder)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def screening_ct():
    import SimpleITK as sitk

    from lacaf.grid import Grid
    from lacaf.volume import Volume

    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(DATA / "nlst-101287" / "dicom"))
    image = sitk.ReadImage(names)
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    array = sitk.GetArrayFromImage(image).astype(np.int16)
    return Volume(array, Grid(array.shape, affine))


def large_ct():
    """A synthetic chest on 512 x 512 x 600 voxels, slab by slab."""
    from lacaf.grid import Grid
    from lacaf.params.phantom import Phantom
    from lacaf.phantom.render import render
    from lacaf.volume import Volume, resample

    phantom = Phantom(kind="realistic", seed=7, spacing_mm=2.0, scale=1.0)
    chest = render("chest", phantom).image
    shape, spacing = LARGE
    size = (np.array(shape[::-1]) - 1) * spacing
    middle = chest.grid.corners_mm().mean(axis=0)
    grid = Grid.upright(shape, spacing, tuple(middle - size / 2))
    array = np.empty(shape, np.int16)
    rng = np.random.default_rng(0)
    for low in range(0, shape[0], 50):
        part = array[low : low + 50]
        affine = grid.affine.copy()
        affine[2, 3] += low * spacing[2]
        slab = resample(chest, Grid(part.shape, affine), fill=-1000).array
        part[...] = np.rint(slab + rng.normal(0, 15, slab.shape)).clip(-1024, 3071)
    return Volume(array, grid)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, help="a NIfTI file in HU")
    parser.add_argument("--large", action="store_true", help="a synthetic CT of 512 x 512 x 600")
    parser.add_argument("--peer", help="a Python with lungmask and torch")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure[0], Path(options.measure[1]))
        return
    from lacaf import volume

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.large:
            image = large_ct()
        else:
            image = volume.read(options.image) if options.image else screening_ct()
        volume.write(image, folder / "image.nii.gz")
        shape = " x ".join(map(str, image.array.shape))
        spacing = " x ".join(f"{s:.3g}" for s in image.grid.spacing_mm)
        print(f"{shape} voxels (z, y, x) of {spacing} mm", flush=True)
        if options.peer:
            np.save(folder / "image.npy", image.array)
        del image
        result = in_a_process(sys.executable, "ours", folder)
        print("                wall s   processor s       GB", flush=True)
        show("ours", result)
        if not options.peer:
            print("lungmask  left out: name a Python that has it with --peer")
            return
        other = in_a_process(options.peer, "peer", folder)
        show("lungmask", other)
        wall, busy = (other[k] / result[k] for k in ("seconds", "processor"))
        print(f"ours is {wall:.0f} times as fast ({busy:.0f} times by processor seconds)")


def show(name, result):
    numbers = (result[k] for k in ("seconds", "processor", "gigabytes"))
    print("{:10}{:12.2f}{:14.2f}{:9.2f}".format(name, *numbers), flush=True)


if __name__ == "__main__":
    main()
