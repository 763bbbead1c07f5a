"""Pictures of a case: CT, reference and predictions side by side in three planes and 3D."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lacaf.coverage import UNKNOWN
from lacaf.report.palette import (
    BACKDROP_HEX,
    CLASS_HEX,
    CLASS_NAME,
    ERROR_HEX,
    class_table,
    error_table,
    rgb,
)
from lacaf.report.planes import Plane, errors
from lacaf.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Lung window, HU.
WINDOW_HU = (-1000.0, 400.0)
CELL_INCHES = 2.6
DOTS_PER_INCH = 120
#: How much of the CT is covered by a label.
OPACITY = 0.8
#: Brightness of the CT below marked errors, so that they stand out from bright vessels.
DIMMED = 0.6


@dataclass(frozen=True)
class Row:
    """One row of a figure.

    Attributes:
        title: what it shows.
        labels: 0 to 4, 255 unknown; None for the CT alone.
        reference: if given, errors against it are marked instead of the classes there.
        portrait: picture of the trees from the front, ``(rows, columns, 3)``; None for none.
    """

    title: str
    labels: Volume | None = None
    reference: Volume | None = None
    portrait: NDArray | None = None


def figure(
    image: Volume, planes: Sequence[Plane], rows: Sequence[Row], coverage: Mapping[str, str]
) -> Figure:
    """A figure with a column for each plane and one for the trees in 3D."""
    from matplotlib.figure import Figure

    pictures = [plane.sample(image, "linear", -1024.0) for plane in planes]
    still = [r.portrait for r in rows if r.portrait is not None]
    shapes = [p.shape for p in pictures] + ([still[0].shape[:2]] if still else [(1, 1)])
    widths = [shape[1] / shape[0] for shape in shapes]
    size = (CELL_INCHES * sum(widths) + 0.35, CELL_INCHES * len(rows) + 0.25)
    canvas = Figure(figsize=size, dpi=DOTS_PER_INCH, facecolor=BACKDROP_HEX)
    grid = canvas.add_gridspec(
        len(rows),
        len(widths),
        width_ratios=widths,
        left=0.32 / size[0],
        right=1,
        top=1 - 0.25 / size[1],
        bottom=0,
        wspace=0.01,
        hspace=0.01,
    )
    for r, row in enumerate(rows):
        for c, (plane, ct) in enumerate(zip(planes, pictures, strict=True)):
            axes = canvas.add_subplot(grid[r, c])
            axes.imshow(_painted(ct, plane, row, coverage), interpolation="antialiased")
            _letters(axes, plane)
            _bare(axes, plane.name if r == 0 else "")
            if c == 0:
                axes.set_ylabel(row.title, color="white", fontsize=8, labelpad=3)
        axes = canvas.add_subplot(grid[r, len(planes)])
        _bare(axes, "3D, from the front" if r == 0 and still else "")
        if row.portrait is not None:
            axes.imshow(row.portrait)
        elif row.labels is None:
            _legend(axes, any(other.reference is not None for other in rows))
    return canvas


def save(drawn: Figure, path: Path) -> bytes:
    """Keep a figure as PNG and return a small WebP of it for the page."""
    from io import BytesIO

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.image import imsave

    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, pixels, format="png")
    buffer = BytesIO()
    imsave(buffer, pixels, format="webp", pil_kwargs={"quality": 82, "method": 4})
    return buffer.getvalue()


def _painted(
    ct: NDArray, plane: Plane, row: Row, coverage: Mapping[str, str]
) -> NDArray[np.float64]:
    """A plane's picture ``(rows, columns, 3)``, 0 to 1."""
    low, high = WINDOW_HU
    grey = np.clip((ct.astype(float) - low) / (high - low), 0, 1)
    picture = np.repeat(grey[..., None], 3, axis=2)
    if row.labels is None:
        return picture
    labels = plane.sample(row.labels)
    unknown = labels == UNKNOWN
    paint = class_table()[np.where(unknown, 0, labels)]
    covered = (labels > 0) & ~unknown
    if row.reference is not None:
        picture *= DIMMED
        reference = plane.sample(row.reference, fill=UNKNOWN)
        wrong = errors(labels, reference, coverage)
        unknown = reference == UNKNOWN
        marked = (wrong > 0) & (wrong < len(error_table()))
        paint[marked] = error_table()[wrong[marked]]
        covered |= marked
    picture[covered] += OPACITY * (paint[covered] - picture[covered])
    stripes = (np.add.outer(np.arange(ct.shape[0]), np.arange(ct.shape[1])) % 9) < 2
    hatched = unknown & stripes & ~covered
    picture[hatched] += 0.35 * (np.array(rgb("#9aa4b2")) - picture[hatched])
    return picture


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


def _legend(axes: Axes, with_errors: bool) -> None:
    from matplotlib.patches import Patch

    entries = [Patch(color=colour, label=CLASS_NAME[n]) for n, colour in CLASS_HEX.items()]
    if with_errors:
        entries += [Patch(color=colour, label=name) for name, colour in ERROR_HEX.items()]
    axes.legend(
        handles=entries,
        loc="center",
        frameon=False,
        fontsize=8,
        labelcolor="white",
    )
