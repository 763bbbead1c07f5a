"""How long harmonize takes, and how much memory, on a CT of 512 x 512 x 400 voxels.

    python benchmarks/harmonize_speed.py            # a realistic phantom, working grid 1.5 mm

A phantom is rendered at the spacing of the working grid, laid on the large grid with labels in a
coding of one file, and harmonized in a process of its own, as the command does it.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from measuring import PARAMS, heading, in_a_process, parsed, row, tell, timed

from lacaf import volume
from lacaf.cases import Case
from lacaf.classes import TABLE
from lacaf.grid import Grid
from lacaf.harmonize import harmonize
from lacaf.params import whole as params
from lacaf.params.phantom import Phantom
from lacaf.phantom.render import render
from lacaf.volume import Volume, resample

CODING = "artery1_vein2"


def lay(folder: Path, shape: tuple[int, int, int], working_mm: float) -> None:
    """Write what convert and crop would leave: the CT, labels (1 arteries, 2 veins), lungs."""
    phantom = Phantom(kind="realistic", seed=2505, spacing_mm=working_mm, scale=1.0)
    rendered = render("phantom000", phantom)
    ends = rendered.image.grid.corners_mm()
    spacing = np.ptp(ends, axis=0) / (np.array(shape[::-1]) - 1)
    fine = Grid.upright(tuple(shape), tuple(spacing), tuple(ends.min(axis=0)))
    image = resample(rendered.image, fine).array.round().astype(np.int16)
    truth = resample(rendered.labels, fine, "nearest").array
    coded = {"artery": 1, "vein": 2}
    labels = np.array([0, *(coded.get(one.vessel, 0) for one in TABLE)], np.uint8)[truth]
    places = rendered.lungs.grid.to_mm(np.argwhere(rendered.lungs.array > 0))
    working = volume.upright_grid_around(places, working_mm, 6.0)
    lungs = resample(rendered.lungs, working, "nearest")
    seen = resample(rendered.image, working, fill=-1000.0).array.round().astype(np.int16)
    for place in ("convert", "crop", "harmonize"):
        (folder / place).mkdir()
    volume.write(Volume(image, fine), folder / "convert" / "image.nii.gz")
    volume.write(Volume(labels, fine), folder / "convert" / "labels.nii.gz")
    volume.write(Volume(seen, working), folder / "crop" / "image.nii.gz")
    volume.write(lungs, folder / "crop" / "lungs.nii.gz")


def harmonize_once(folder: Path) -> None:
    """Harmonize the case and tell the seconds and the most memory that was held."""
    case = Case("c1", "p1", Path("ct"), Path("labels"), CODING, "both", "train")
    settings = params.load(PARAMS)
    coding = settings.all_codings()[CODING]
    places = (folder / stage for stage in ("convert", "crop", "harmonize"))
    with timed() as seconds:
        harmonize(case, settings.harmonize, coding, *places)
    tell(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(400, 512, 512), help="z y x")
    parser.add_argument("--working", type=float, default=1.5, help="spacing of the grid, mm")
    parser.add_argument("--folder", type=Path, help="keep the case here, or take it from here")
    parser.add_argument("--once", action="store_true", help="harmonize the case in --folder")
    options = parsed(parser, shape=(80, 96, 96), working=4.0)
    if options.once:
        harmonize_once(options.folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "convert").exists():
            lay(folder, options.shape, options.working)
        found = in_a_process(sys.executable, __file__, "--once", "--folder", str(folder))
        shape = volume.read_grid(folder / "convert" / "image.nii.gz").shape
    heading("voxels (z, y, x)", "wall s", "processor s", "peak, GB")
    numbers = (f"{found[key]:.2f}" for key in ("wall", "processor", "gigabytes"))
    row(" × ".join(map(str, shape)), *numbers)


if __name__ == "__main__":
    main()
