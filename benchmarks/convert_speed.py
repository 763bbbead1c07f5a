"""How fast convert is beside dcm2niix, in one run on one machine, and that voxels are the same.

    python benchmarks/convert_speed.py                              # dcm2niix from the PATH
    python benchmarks/convert_speed.py --dcm2niix /path/to/dcm2niix --rounds 7

Both write a compressed NIfTI from the same files, as whole commands with their start-up, in turn.
The series are nlst-101287 of the real CTs (JPEG-LS; left out where they are absent) and a
synthetic one of 300 uncompressed slices of 512 x 512. The median of the rounds counts, and the
ratio is the median of the rounds' own ratios: load by others then falls on both alike. Without
dcm2niix ours is timed alone.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from measuring import PARAMS, REAL_DATA, heading, parsed, row

from lacaf.cases import COLUMNS
from lacaf.dicom.hounsfield import AIR_HU, PADDING_BELOW_HU
from lacaf.grid import Grid
from lacaf.phantom.dicom import write_series
from lacaf.phantom.handling import Handling
from lacaf.phantom.identity import fake_identity
from lacaf.volume import Volume

SHAPE = (300, 512, 512)
COLUMN_NAMES = ("series", "lacaf s", "dcm2niix s", "ratio", "lacaf CPU s", "dcm2niix CPU s",
                "lacaf MB", "dcm2niix MB", "voxels the same")  # fmt: skip


def thorax(shape, seed=0):
    """A thorax as plain as can be, with a sharp kernel's noise: as hard to compress as a CT."""
    rng = np.random.default_rng(seed)
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[1:]), indexing="ij")
    body = np.where((x / 0.85) ** 2 + (y / 0.65) ** 2 < 1, 40, -1000)
    lungs = ((abs(x) - 0.4) / 0.3) ** 2 + (y / 0.5) ** 2 < 1
    array = np.empty(shape, np.int16)
    for part in array:
        noise = rng.normal(0, 25, shape[1:])
        part[:] = np.rint(np.where(lungs, -850, body) + np.where(body > 0, noise, noise / 3))
    return Volume(array, Grid.upright(shape, (0.7, 0.7, 1.0)))


def ours(source, work):
    """A command that converts with lacaf, and the file that it writes."""
    project = work / "lacaf"
    (project / "data").mkdir(parents=True)
    shutil.copy(PARAMS, project / "params.yaml")
    table = f"{','.join(COLUMNS)}\ncase1,p1,{source},,,,predict\n"
    (project / "data" / "cases.csv").write_text(table)
    command = [str(Path(sys.executable).with_name("lacaf")), "convert", "case1"]
    return command, project, project / "data" / "convert" / "case1" / "image.nii.gz"


def theirs(program, source, work):
    """The same with dcm2niix; without its JSON, which ours has no like of."""
    folder = work / "dcm2niix"
    folder.mkdir()
    command = [program, "-z", "y", "-b", "n", "-f", "image", "-o", str(folder), str(source)]
    return command, folder, folder / "image.nii.gz"


def seconds(command, folder, target):
    """Wall time and processor time of a command; its result is removed before."""
    target.unlink(missing_ok=True)
    before, start = os.times(), time.perf_counter()
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, os.times()
    if answer.returncode or not target.exists():
        raise SystemExit(answer.stdout + answer.stderr)
    used = after.children_user + after.children_system
    return wall, used - before.children_user - before.children_system


def same_voxels(first, second):
    """Whether two files hold the same HU in the same places; padding is air in ours."""
    images = [nib.as_closest_canonical(nib.load(path)) for path in (first, second)]
    arrays = [np.asanyarray(image.dataobj).astype(np.int16) for image in images]
    arrays = [np.where(a < PADDING_BELOW_HU, AIR_HU, a) for a in arrays]
    placed = np.allclose(images[0].affine, images[1].affine, atol=2e-3)
    return placed and np.array_equal(*arrays)


def measure(name, source, program, rounds):
    """Print a row of the table; the ratio and whether voxels are the same, None without a peer."""
    with tempfile.TemporaryDirectory() as work:
        sides = [ours(source, Path(work))]
        sides += [theirs(program, source, Path(work))] if program else []
        for side in sides:
            seconds(*side)  # once unseen: files come into memory
        times = [[seconds(*side) for side in sides] for _ in range(rounds)]
        same = same_voxels(*(target for *_, target in sides)) if program else None
        sizes = [target.stat().st_size / 1e6 for *_, target in sides]
    wall, used = ([statistics.median(one[i][k] for one in times) for i in range(len(sides))]
                  for k in (0, 1))  # fmt: skip
    ratio = statistics.median(x[0] / y[0] for x, y in times) if program else None
    cells = [f"{value:.{digits}f}" for pair, digits in ((wall, 2), (used, 2), (sizes, 1))
             for value in (pair if program else [*pair, np.nan])]  # fmt: skip
    cells = ["–" if cell == "nan" else cell for cell in cells]
    cells.insert(2, f"**{ratio:.2f}**" if program else "–")
    row(name, *cells, {True: "yes", False: "NO", None: "–"}[same])
    return ratio, same


def series(folder, shape, real):
    """The series to measure: name and folder."""
    nlst = REAL_DATA / "nlst-101287" / "dicom"
    if real and nlst.is_dir():
        yield "nlst-101287, 143 × 512 × 512, JPEG-LS", nlst
    image = thorax(shape)
    write_series(image, fake_identity("p1"), "case1", Handling(), folder, np.random.default_rng(0))
    yield f"synthetic, {' × '.join(map(str, shape))}, uncompressed", folder


def about(program):
    """What is measured, on what, and what is left out."""
    if program:
        version = subprocess.run([program, "--version"], capture_output=True, text=True)
        print(version.stdout.strip().splitlines()[0])
    else:
        print("left out: dcm2niix, which is not on the PATH (pip install dcm2niix)")
    if not REAL_DATA.is_dir():
        print(f"left out: nlst-101287, {REAL_DATA} is not here (set LACAF_REAL_DATA)")
    print(f"{len(os.sched_getaffinity(0))} cores, pydicom {pydicom.__version__}, "
          f"pigz {'there' if shutil.which('pigz') else 'not there'}\n")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dcm2niix", default=shutil.which("dcm2niix"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shape", type=int, nargs=3, default=SHAPE, help="of the synthetic one")
    parser.add_argument("--synthetic", action="store_true", help="leave the real CT out")
    parser.add_argument("--at-most", type=float, default=1.0, help="a ratio above it is a failure")
    options = parsed(parser, rounds=1, shape=(24, 96, 96), synthetic=True, at_most=np.inf)
    about(options.dcm2niix)
    heading(*COLUMN_NAMES)
    with tempfile.TemporaryDirectory() as folder:
        found = [
            measure(name, source, options.dcm2niix, options.rounds)
            for name, source in series(Path(folder), options.shape, not options.synthetic)
        ]
    if options.dcm2niix:
        sys.exit(0 if all(ratio <= options.at_most and same for ratio, same in found) else 1)


if __name__ == "__main__":
    main()
