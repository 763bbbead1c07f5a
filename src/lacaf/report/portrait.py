"""A still picture of vessel trees from the front: for print, and where WebGL is missing.

Drawn by hand, since VTK needs OpenGL, which a node of a cluster may not have, and matplotlib sorts
whole triangles, so that vessels behind one another come out wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lacaf.report.palette import BACKDROP_HEX, Palette, rgb
from lacaf.report.surface import Mesh

#: Points drawn per pixel of a surface; fewer leave holes, more cost time.
POINTS_PER_PIXEL = 7.0
#: Light from the upper left in front, in LPS.
LIGHT = np.array([0.35, -0.8, 0.5]) / np.linalg.norm([0.35, -0.8, 0.5])


def front_view(
    meshes: Sequence[Mesh],
    frame_mm: NDArray,
    height_px: int,
    palette: Palette,
    *,
    marking: bool = False,
) -> NDArray[np.float64]:
    """Trees as seen by somebody who faces the patient; his left is on the right.

    Args:
        meshes: surfaces in LPS mm.
        frame_mm: ``(2, 3)`` lowest and highest corner of what is shown.
        height_px: rows of the picture; its width follows from the frame.
        palette: its colours.
        marking: whether colours say what is wrong instead of which class it is.

    Returns:
        ``(rows, columns, 3)`` colours 0 to 1.
    """
    scale = 2 * height_px / max(frame_mm[1, 2] - frame_mm[0, 2], 1.0)  # drawn at twice the size
    columns = 2 * max(1, round((frame_mm[1, 0] - frame_mm[0, 0]) * scale / 2))
    rows = 2 * height_px
    picture = np.empty((rows * columns, 3))
    picture[:] = rgb(BACKDROP_HEX)
    shape = rows, columns
    parts = [
        _points(mesh, frame_mm, scale, shape, _colours(mesh, palette, marking))
        for mesh in meshes
        if len(mesh.faces)
    ]
    if parts:
        depth, colours, pixels = (np.concatenate(each) for each in zip(*parts, strict=True))
        far_to_near = np.argsort(-depth, kind="stable")
        picture[pixels[far_to_near]] = colours[far_to_near]  # the last, nearest, stays
    return picture.reshape(height_px, 2, columns // 2, 2, 3).mean(axis=(1, 3))


def _colours(mesh: Mesh, palette: Palette, marking: bool) -> NDArray[np.float64]:
    """A colour ``(N, 3)`` for each vertex: what is wrong there, or the class."""
    if marking:
        return palette.flag_table()[mesh.flags]
    return np.tile(rgb(palette.classes[mesh.name]), (len(mesh.vertices_mm), 1))


def _points(
    mesh: Mesh, frame_mm: NDArray, scale: float, shape: tuple[int, int], paint: NDArray
) -> tuple[NDArray, NDArray, NDArray]:
    """Depth, colour and pixel of points strewn over a surface."""
    where, normal, face = _strewn(mesh, scale, np.random.default_rng(0))
    column = ((where[:, 0] - frame_mm[0, 0]) * scale).astype(int)
    row = ((frame_mm[1, 2] - where[:, 2]) * scale).astype(int)
    inside = (column >= 0) & (column < shape[1]) & (row >= 0) & (row < shape[0])
    near = (frame_mm[1, 1] - where[:, 1]) / max(frame_mm[1, 1] - frame_mm[0, 1], 1.0)
    light = (0.35 + 0.65 * np.abs(normal @ LIGHT)) * (0.55 + 0.45 * np.clip(near, 0, 1))
    colours = paint[mesh.faces[face, 0]] * light[:, None]
    return where[inside, 1], colours[inside], (row * shape[1] + column)[inside]


def _strewn(mesh: Mesh, scale: float, rng: np.random.Generator) -> tuple[NDArray, NDArray, NDArray]:
    """Points strewn over the front of a surface, normals there, and their faces.

    As many points as the projection has pixels need; what faces away from the viewer is left out.
    """
    corner, first, second = (mesh.vertices_mm[mesh.faces[:, i]].astype(float) for i in range(3))
    normal = np.cross(first - corner, second - corner)
    size = np.linalg.norm(normal, axis=1)
    towards = -normal[:, 1]  # the viewer stands in front
    shown = np.where(towards > -0.1 * size, np.maximum(towards, 0.1 * size), 0.0)
    expected = shown / 2 * scale**2 * POINTS_PER_PIXEL
    face = np.repeat(np.arange(len(size)), rng.poisson(expected))
    u, v = rng.random((2, len(face)))
    over = u + v > 1
    u[over], v[over] = 1 - u[over], 1 - v[over]
    where = (
        corner[face] + u[:, None] * (first - corner)[face] + v[:, None] * (second - corner)[face]
    )
    return where, normal[face] / np.maximum(size[face], 1e-9)[:, None], face
