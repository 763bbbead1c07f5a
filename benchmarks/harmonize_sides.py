"""The picture of docs/harmonize.md: whose a central vessel is, and what a half-labelled case knows.

    python benchmarks/harmonize_sides.py            # writes docs/harmonize_sides.png

Everything is worked out by the stage's own code on a realistic phantom; the table beside
it says how many ml of arteries outside the lungs each rule gives to the wrong side, by the tree
that the phantom was drawn from.
"""

import argparse
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch
from measuring import REPOSITORY, heading, parsed, row

from lacaf import volume
from lacaf.classes import TABLE, UNKNOWN, values_of
from lacaf.coverage import lung_distances_mm
from lacaf.harmonize import chest
from lacaf.harmonize.chest import Rule
from lacaf.harmonize.meaning import CODE
from lacaf.params.phantom import Phantom
from lacaf.phantom.render import render
from lacaf.volume import resample

MARGIN_MM = 6.0
LEFT, RIGHT, NEITHER = "#d55e00", "#0072b2", "#f0e442"
LUNG, PAPER = "#e6e6e6", "#ffffff"


def patient(spacing_mm):
    """CT, labels, truth and lungs around the lungs, as crop would leave them."""
    phantom = Phantom(kind="realistic", seed=2505, spacing_mm=spacing_mm, scale=1.0)
    rendered = render("phantom000", phantom)
    places = rendered.lungs.grid.to_mm(np.argwhere(rendered.lungs.array > 0))
    grid = volume.upright_grid_around(places, spacing_mm, MARGIN_MM)
    image = resample(rendered.image, grid, fill=-1000.0)
    parts = (rendered.labels, rendered.truth, rendered.lungs)
    return image, *(resample(part, grid, "nearest") for part in parts)


def seen_from_the_front(values, order):
    """For each ray from the front the value that comes first in ``order``; 0 where none does."""
    out = np.zeros((values.shape[0], values.shape[2]), np.uint8)
    for value in reversed(order):
        out[(values == value).any(axis=1)] = value
    return out


def show(axis, lungs, values, title, grid):
    """A view from the front: lungs; vessels of the left (1), the right (2), of neither (3)."""
    colours = np.array([_rgb(c) for c in (PAPER, LEFT, RIGHT, NEITHER)])
    picture = colours[seen_from_the_front(values, (3, 1, 2))]
    shadow = (lungs > 0).any(axis=1) & (picture == _rgb(PAPER)).all(axis=-1)
    picture[shadow] = _rgb(LUNG)
    draw(axis, picture, title, grid)


def draw(axis, picture, title, grid):
    """Head up, the patient's left on the right, as one looks at him."""
    width, height = np.ptp(grid.corners_mm(), axis=0)[[0, 2]]
    axis.imshow(picture, origin="lower", extent=(0, width, 0, height), interpolation="nearest")
    axis.set_title(title, fontsize=10, loc="left")
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)


def _rgb(colour):
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def whose(canonical):
    """1 left, 2 right, 3 of neither, from canonical labels."""
    table = np.zeros(UNKNOWN + 1, np.uint8)
    table[list(values_of(side="left"))], table[list(values_of(side="right"))] = 1, 2
    table[UNKNOWN] = 3
    return table[canonical]


def kinds_of(labels):
    """Canonical labels as codes of artery and vein that lack a side."""
    return np.array([0, *(CODE.get(one.vessel, 0) for one in TABLE)], np.uint8)[labels]


def half_labelled(image, labels, lungs, region_of, axis):
    """What a case knows in which the left lung was drawn, and the trunk with it; one slice."""
    left = values_of(side="left")
    codes = kinds_of(np.where(np.isin(labels.array, left), labels.array, 0))
    known = chest.canonical(codes, region_of(codes), Rule(sides=("left",)))
    middle = np.argwhere(whose_central(labels, lungs))[:, 1]
    place = int(np.median(middle))
    grey = np.clip((image.array[:, place] + 1000) / 1400, 0, 1)
    picture = np.repeat(grey[..., None], 3, axis=2)
    part = known[:, place]
    picture[part == UNKNOWN] = 0.35 * picture[part == UNKNOWN] + 0.65 * _rgb("#9a9a9a")
    picture[part == 0] = 0.75 * picture[part == 0] + 0.25 * _rgb("#009e73")
    picture[np.isin(part, left)] = _rgb(LEFT)
    shared = (codes[:, place] > 0) & (part == UNKNOWN)
    picture[shared] = _rgb(NEITHER)
    draw(axis, picture, "4  Left lung drawn: what is known", image.grid)


def whose_central(labels, lungs):
    left_mm, right_mm = lung_distances_mm(lungs.array, lungs.grid)
    return (labels.array == 1) & (np.minimum(left_mm, right_mm) > 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "harmonize_sides.png")
    parser.add_argument("--spacing", type=float, default=1.5, help="of the phantom, mm")
    options = parsed(parser, spacing=4.0, out=None)
    with tempfile.TemporaryDirectory() as folder:
        make(options.spacing, options.out or Path(folder) / "harmonize_sides.png")


def make(spacing_mm: float, out: Path) -> None:
    """Print the table and write the picture."""
    image, labels, truth, lungs = patient(spacing_mm)
    grid = lungs.grid
    distances = lung_distances_mm(lungs.array, grid)

    def region_of(codes):
        return chest.draw(codes, lungs.array, *distances, grid)

    codes = kinds_of(labels.array)
    region = region_of(codes)
    ours = whose(chest.canonical(codes, region, Rule()))
    plain = whose(chest.canonical(codes, region & 15, Rule(shared_unknown=False)))
    right = whose(truth.array)
    arteries, veins = (codes == CODE[vessel] for vessel in ("artery", "vein"))
    outside = arteries & (lungs.array == 0)
    heading("rule", "ml of arteries outside the lungs", "of them on a wrong side")
    for name, found in (("nearest lung", plain), ("this rule", ours)):
        wrong = outside & (found != right) & (found != 3)
        ml, total = wrong.sum() * grid.voxel_ml, outside.sum() * grid.voxel_ml
        row(name, f"{total:.1f}", f"{ml:.1f}")
    draw_all(
        image, labels, lungs, region_of, [plain * arteries, ours * arteries, ours * veins], out
    )


def draw_all(image, labels, lungs, region_of, views, out):
    """The picture: three views from the front and one slice."""
    grid = lungs.grid
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.9), dpi=100)
    titles = ("1  Arteries: the nearest lung", "2  Arteries: the lung they lead to",
              "3  Veins: the lung they lead to")  # fmt: skip
    for axis, view, title in zip(axes, views, titles, strict=False):
        show(axis, lungs.array, view, title, grid)
    half_labelled(image, labels, lungs, region_of, axes[3])
    names = (("left", LEFT), ("right", RIGHT), ("of neither side alone: unknown (255)", NEITHER),
             ("known background", "#9fd4c3"), ("nothing known (255)", "#9a9a9a"))  # fmt: skip
    figure.legend(
        handles=[Patch(color=colour, label=name) for name, colour in names],
        loc="lower center", ncol=5, frameon=False, fontsize=10,
    )  # fmt: skip
    figure.subplots_adjust(left=0.01, right=0.99, top=0.92, bottom=0.1, wspace=0.04)
    figure.savefig(out)
    print(f"\n{out}: {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
