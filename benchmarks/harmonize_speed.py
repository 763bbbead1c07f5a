"""How long harmonize takes, and how much memory, on a CT of 512 x 512 x 400 voxels.

    python benchmarks/harmonize_speed.py            # a realistic phantom, working grid 1.5 mm

A phantom is rendered at 1.5 mm, laid on the large grid with labels in a coding of one file, and
harmonized in a process of its own, as the command does it.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SHAPE = (400, 512, 512)
WORKING_MM = 1.5
REPOSITORY = Path(__file__).parents[1]


def lay(folder: Path) -> None:
    """Write what convert and crop would leave: the CT, labels (1 arteries, 2 veins), lungs."""
    from lacaf import volume
    from lacaf.grid import Grid
    from lacaf.params.phantom import Phantom
    from lacaf.phantom.render import render
    from lacaf.volume import Volume, resample

    phantom = Phantom(kind="realistic", seed=2505, spacing_mm=WORKING_MM, scale=1.0)
    rendered = render("phantom000", phantom)
    ends = rendered.image.grid.corners_mm()
    spacing = np.ptp(ends, axis=0) / (np.array(SHAPE[::-1]) - 1)
    fine = Grid.upright(SHAPE, tuple(spacing), tuple(ends.min(axis=0)))
    image = resample(rendered.image, fine).array.round().astype(np.int16)
    truth = resample(rendered.labels, fine, "nearest").array
    labels = np.array([0, 1, 2, 1, 2], np.uint8)[truth]
    places = rendered.lungs.grid.to_mm(np.argwhere(rendered.lungs.array > 0))
    working = volume.upright_grid_around(places, WORKING_MM, 6.0)
    lungs = resample(rendered.lungs, working, "nearest")
    seen = resample(rendered.image, working, fill=-1000.0).array.round().astype(np.int16)
    for place in ("convert", "crop", "harmonize"):
        (folder / place).mkdir()
    volume.write(Volume(image, fine), folder / "convert" / "image.nii.gz")
    volume.write(Volume(labels, fine), folder / "convert" / "labels.nii.gz")
    volume.write(Volume(seen, working), folder / "crop" / "image.nii.gz")
    volume.write(lungs, folder / "crop" / "lungs.nii.gz")


def harmonize_once(folder: Path) -> None:
    """Harmonize the case and print seconds and the most memory that was held."""
    from lacaf.cases import Case
    from lacaf.harmonize import harmonize
    from lacaf.params import whole as params

    case = Case("c1", "p1", Path("ct"), Path("labels"), "artery1_vein2", "both", "train")
    settings = params.load(REPOSITORY / "params" / "demo.yaml")
    coding = settings.all_codings()["artery1_vein2"]
    start = time.perf_counter()
    harmonize(
        case,
        settings.harmonize,
        coding,
        folder / "convert",
        folder / "crop",
        folder / "harmonize",
    )
    seconds = time.perf_counter() - start
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(json.dumps({"seconds": round(seconds, 1), "memory_gb": round(most, 2)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="keep the case here, or take it from here")
    parser.add_argument("--once", action="store_true", help="harmonize the case in --folder")
    arguments = parser.parse_args()
    if arguments.once:
        harmonize_once(arguments.folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "convert").exists():
            lay(folder)
        command = [sys.executable, __file__, "--once", "--folder", str(folder)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
