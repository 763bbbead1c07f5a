"""Pictures of a case: CT, reference and predictions side by side in three planes and 3D."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lacaf import files
from lacaf.classes import SIDES, UNKNOWN
from lacaf.report.errors import ERROR_NAME, errors
from lacaf.report.packing import webp
from lacaf.report.palette import BACKDROP_HEX, CLASS_NAME, Palette, rgb
from lacaf.report.planes import Plane
from lacaf.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

#: Lung window, HU.
WINDOW_HU = (-1000.0, 400.0)
CELL_INCHES = 2.6
DOTS_PER_INCH = 120
#: How much of the CT is covered by a label.
OPACITY = 0.8
#: Brightness of the CT below marked errors, so that they stand out from bright vessels.
DIMMED = 0.6
#: Stripes where a reference says nothing, outlines of the left and of the right lung.
STRIPES_HEX, LUNG_HEX = "#9aa4b2", ("#c9b458", "#8a7bd1")
#: Labels in a coding that could not be read.
MARKED_HEX = "#f0e442"


@dataclass(frozen=True)
class Row:
    """One row of a figure.

    Attributes:
        title: what it shows.
        labels: label values, 255 unknown; None for the CT alone.
        reference: if given, errors against it are marked over the classes.
        lungs: if given, outlined: 1 left, 2 right.
        marked: masks that are shown in one colour, whatever they mean.
        portraits: pictures of the trees, ``(rows, columns, 3)``; the first place that none
            takes is the legend's.
    """

    title: str
    labels: Volume | None = None
    reference: Volume | None = None
    lungs: Volume | None = None
    marked: Sequence[Volume] = ()
    portraits: Sequence[NDArray] = ()


def figure(
    image: Volume,
    planes: Sequence[Plane],
    rows: Sequence[Row],
    coverage: Mapping[str, str],
    palette: Palette,
    heading: str = "",
) -> Figure:
    """A figure with a column for each plane, and one or two for trees in 3D and legend."""
    from matplotlib.figure import Figure

    pictures = [plane.sample(image, "linear", -1024.0) for plane in planes]
    still = [picture for row in rows for picture in row.portraits]
    entries = _entries(rows, palette)
    fewest, most = (f(len(row.portraits) for row in rows) for f in (min, max))
    trees = most + (fewest == most and bool(entries))  # so that a place is left for the legend
    shapes = [p.shape for p in pictures] + trees * ([still[0].shape[:2]] if still else [(4, 3)])
    widths = [shape[1] / shape[0] for shape in shapes]
    free = next(
        ((r, c) for r, row in enumerate(rows) for c in range(len(row.portraits), trees)), None
    )
    if free:
        widths[-1] = max(widths[-1], 0.8)  # the legend needs some room
    above = 0.55 if heading else 0.25
    size = (CELL_INCHES * sum(widths) + 0.35, CELL_INCHES * len(rows) + above)
    canvas = Figure(figsize=size, dpi=DOTS_PER_INCH, facecolor=BACKDROP_HEX)
    grid = canvas.add_gridspec(
        len(rows),
        len(widths),
        width_ratios=widths,
        left=0.32 / size[0],
        right=1,
        top=1 - above / size[1],
        bottom=0,
        wspace=0.01,
        hspace=0.01,
    )
    for r, row in enumerate(rows):
        for c, (plane, ct) in enumerate(zip(planes, pictures, strict=True)):
            axes = canvas.add_subplot(grid[r, c])
            axes.imshow(_painted(ct, plane, row, coverage, palette), interpolation="antialiased")
            _outline(axes, plane, row.lungs)
            _letters(axes, plane)
            _bare(axes, plane.name if r == 0 else "")
            if c == 0:
                axes.set_ylabel(row.title, color="white", fontsize=8, labelpad=3)
        for c in range(trees):
            axes = canvas.add_subplot(grid[r, len(planes) + c])
            _bare(axes, "3D, from the front" if r == c == 0 and still else "")
            if len(row.portraits) > c:
                axes.imshow(row.portraits[c])
            elif (r, c) == free:
                axes.legend(
                    handles=entries, loc="center", frameon=False, fontsize=7, labelcolor="white"
                )
    if heading:
        canvas.text(
            0.1 / size[0], 1 - 0.2 / size[1], heading, color="white", fontsize=9, va="center"
        )
    return canvas


def save(drawn: Figure, path: Path | None) -> bytes:
    """Keep a figure as PNG, if a path is given, and return a small WebP of it for a page."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.image import imsave

    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    if path is not None:
        picture = io.BytesIO()
        imsave(picture, pixels, format="png")
        files.write_bytes(path, picture.getvalue())
    return webp(np.ascontiguousarray(pixels))


def _painted(
    ct: NDArray, plane: Plane, row: Row, coverage: Mapping[str, str], palette: Palette
) -> NDArray[np.float64]:
    """A plane's picture ``(rows, columns, 3)``, 0 to 1."""
    low, high = WINDOW_HU
    grey = np.clip((ct.astype(float) - low) / (high - low), 0, 1)
    picture = np.repeat(grey[..., None], 3, axis=2)
    for mask in row.marked:
        inside = plane.sample(mask) > 0
        picture[inside] += OPACITY * (np.array(rgb(MARKED_HEX)) - picture[inside])
    if row.labels is None:
        return picture
    labels = plane.sample(row.labels)
    unknown = labels == UNKNOWN
    paint = palette.class_table()[np.where(unknown, 0, labels)]
    covered = (labels > 0) & ~unknown
    if row.reference is not None:
        picture *= DIMMED
        reference = plane.sample(row.reference)
        wrong = errors(labels, reference, coverage)
        table = palette.error_table()
        unknown = reference == UNKNOWN
        marked = (wrong > 0) & (wrong < len(table))
        paint[marked] = table[wrong[marked]]
        covered |= marked
    picture[covered] += OPACITY * (paint[covered] - picture[covered])
    stripes = (np.add.outer(np.arange(ct.shape[0]), np.arange(ct.shape[1])) % 9) < 2
    hatched = unknown & stripes & ~covered
    picture[hatched] += 0.35 * (np.array(rgb(STRIPES_HEX)) - picture[hatched])
    return picture


def _outline(axes: Axes, plane: Plane, lungs: Volume | None) -> None:
    """The lungs' borders, left and right in colours of their own."""
    if lungs is None:
        return
    sides = plane.sample(lungs)
    for value, colour in enumerate(LUNG_HEX, start=1):
        if (sides == value).any():
            axes.contour(sides == value, levels=[0.5], colors=[colour], linewidths=0.9)


def _letters(axes: Axes, plane: Plane) -> None:
    """Where the picture's edges lie in the patient."""
    from matplotlib.patheffects import withStroke

    left, right, top, bottom = plane.edges
    places = ((0.015, 0.5, left), (0.985, 0.5, right), (0.5, 0.975, top), (0.5, 0.025, bottom))
    for x, y, letter in places:
        axes.text(
            x,
            y,
            letter,
            transform=axes.transAxes,
            color="white",
            fontsize=8,
            fontweight="bold",
            path_effects=[withStroke(linewidth=1.6, foreground="black")],
            ha="left" if x < 0.1 else "right" if x > 0.9 else "center",
            va="top" if y > 0.9 else "bottom" if y < 0.1 else "center",
        )


def _bare(axes: Axes, title: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor(BACKDROP_HEX)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if title:
        axes.set_title(title, color="#d7dde5", fontsize=8, pad=3)


def _entries(rows: Sequence[Row], palette: Palette) -> list[Patch]:
    """What the legend explains: no more than what the rows show."""
    from matplotlib.patches import Patch

    entries = []
    if any(row.labels is not None for row in rows):
        entries += [
            Patch(color=colour, label=CLASS_NAME[n]) for n, colour in palette.classes.items()
        ]
    if any(row.reference is not None for row in rows):
        entries += [
            Patch(color=colour, label=ERROR_NAME[n]) for n, colour in palette.errors.items()
        ]
    if any(row.lungs is not None for row in rows):
        entries += [
            Patch(edgecolor=colour, fill=False, label=f"{side} lung")
            for side, colour in zip(SIDES, LUNG_HEX, strict=True)
        ]
    if any(row.marked for row in rows):
        entries.append(Patch(color=MARKED_HEX, label="labelled, not harmonized"))
    return entries
