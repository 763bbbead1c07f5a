"""The still pictures of a case: predictions against the reference, and what the stages decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import UNKNOWN
from lacaf.report.casevolumes import REFERENCE, CaseVolumes
from lacaf.report.overlay import Row, figure
from lacaf.report.palette import Palette
from lacaf.report.planes import choose
from lacaf.report.portrait import front_view
from lacaf.report.scene import Scene
from lacaf.report.surface import Mesh
from lacaf.volume import Volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PORTRAIT_PX = 300


def comparison(shown: CaseVolumes, scene: Scene | None, palette: Palette) -> Figure:
    """Reference and predictions: errors marked in the slices, the trees without and with them."""
    assert shown.image is not None
    planes = choose(list(shown.labels.values())[:1], shown.lungs, shown.image.grid)
    reference = shown.labels.get(REFERENCE)
    rows = []
    for key, labels in shown.labels.items():
        compared = None if key == REFERENCE else reference
        rows.append(
            Row(shown.title(key), labels, compared, portraits=_portraits(scene, key, palette))
        )
    return figure(shown.image, planes, rows, shown.coverage, palette)


def decided(shown: CaseVolumes, raw: list[Volume], palette: Palette, heading: str) -> Figure:
    """The CT with lungs outlined, and with labels: is it the right scan, do they lie on vessels?

    Args:
        shown: CT, lungs and harmonized labels, as far as they are there.
        raw: masks of labels in their own coding, shown where there are no harmonized ones.
        palette: colours.
        heading: a line above the pictures.
    """
    assert shown.image is not None
    labels = shown.labels.get(REFERENCE)
    seen = [labels] if labels is not None else raw
    planes = choose(seen, shown.lungs, shown.image.grid)
    rows = [Row("CT", lungs=shown.lungs)]
    if labels is not None:
        rows.append(Row("labels", labels, portraits=_front(labels, palette)))
    elif raw:
        rows.append(Row("labels as they came", marked=raw))
    return figure(shown.image, planes, rows, shown.coverage, palette, heading)


def _portraits(scene: Scene | None, key: str, palette: Palette) -> list[NDArray]:
    """Front views of a label volume's trees: by class, and what is wrong."""
    if scene is None or key not in scene.trees:
        return []
    meshes: list[Mesh] = scene.trees[key]
    views = [front_view(meshes, scene.frame_mm, PORTRAIT_PX, palette)]
    if key in scene.missed:
        both = [*meshes, *scene.missed[key]]
        views.append(front_view(both, scene.frame_mm, PORTRAIT_PX, palette, marking=True))
    return views


def _front(labels: Volume, palette: Palette) -> list[NDArray]:
    """Front view of labels alone."""
    from lacaf.report.scene import build

    vessels = Volume(np.where(labels.array == UNKNOWN, 0, labels.array), labels.grid)
    scene = build({REFERENCE: vessels}, None, {})
    return _portraits(scene, REFERENCE, palette)
