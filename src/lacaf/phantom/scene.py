"""The chest in HU: tissue upon tissue, a few slices at a time so that memory stays small."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lacaf.grid import Grid
from lacaf.phantom import appearance, central, raster, skeleton, thorax
from lacaf.phantom.appearance import Contrast, Findings
from lacaf.phantom.thorax import Thorax

#: Room for the scanner's table behind the body, adult mm.
TABLE_MM = 22.0
SLAB = 24  # slices that are painted at a time

AIR, FAT, MUSCLE, LIVER, MARROW, CORTEX = -1000.0, -100.0, 52.0, 58.0, 190.0, 560.0
HEART_MUSCLE, MEDIASTINUM, WALL, LUNG = 48.0, -40.0, 20.0, -862.0
#: The pleura between two lobes: HU above the lung, times its thickness in mm.
FISSURE_HU_MM = 180.0
#: How much denser the lung is at the back of a lying patient than at the front, HU per adult mm.
GRAVITY_HU_PER_MM = 0.45


def axes(grid: Grid) -> tuple[NDArray, NDArray, NDArray]:
    """Positions x ``(1, 1, X)``, y ``(1, Y, 1)``, z ``(Z, 1, 1)`` of an upright grid, mm."""
    spacing, origin = grid.spacing_mm, grid.affine[:3, 3]
    z, y, x = (
        (origin[2 - a] + spacing[a] * np.arange(grid.shape[a])).astype(np.float32) for a in range(3)
    )
    return x[None, None, :], y[None, :, None], z[:, None, None]


def paint(
    body: Thorax,
    contrast: Contrast,
    findings: Findings,
    tubes: dict[str, NDArray],
    grid: Grid,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The ideal image (float32 HU) and the lungs (1 left, 2 right), both ``(Z, Y, X)``.

    Args:
        body: the patient's shape.
        contrast: HU of the blood.
        findings: what ails the lungs.
        tubes: coverage 0 to 255 of artery, vein, airway (with wall) and lumen.
        grid: where to paint.
        rng: for the lungs' texture.
    """
    image = np.empty(grid.shape, np.float32)
    lungs = np.zeros(grid.shape, np.uint8)
    bones, aorta, cava = _tubes_of_the_body(body, grid)
    texture = _texture(grid, body, rng)
    x, y, z = axes(grid)
    for low in range(0, grid.shape[0], SLAB):
        part = slice(low, low + SLAB)
        slab = _Slab(body, grid, (x, y, z[part]), image[part])
        slab.outside()
        slab.belly()
        slab.over(bones[part], MARROW + (CORTEX - MARROW) * 0.5)
        slab.spine()
        slab.middle(contrast)
        slab.over(cava[part], contrast.cava_hu)
        slab.over(aorta[part], contrast.aorta_hu)
        lungs[part] = slab.lungs(texture[part], findings)
        slab.over(tubes["airway"][part], WALL)
        slab.over(tubes["lumen"][part], AIR)
        slab.over(tubes["vein"][part], contrast.vein_hu)
        slab.over(tubes["artery"][part], contrast.artery_hu)
    return image, lungs


def _tubes_of_the_body(body: Thorax, grid: Grid) -> tuple[NDArray, NDArray, NDArray]:
    bones, aorta, cava = (np.zeros(grid.shape, np.uint8) for _ in range(3))
    radius = skeleton.RIB_RADIUS_MM * body.scale
    for line in skeleton.ribs(body):
        for start, end in pairwise(line):
            raster.cone(bones, grid, start, end, radius, radius)
    for start, end in skeleton.shoulder_blades(body):
        raster.cone(bones, grid, start, end, 0.5 * radius, 0.5 * radius)
    for target, path in ((aorta, central.AORTA), (cava, central.CAVA)):
        table = np.array(path) * body.scale
        for start, end in pairwise(table):
            raster.cone(target, grid, start[:3], end[:3], start[3], end[3])
    return bones, aorta, cava


def _texture(grid: Grid, body: Thorax, rng: np.random.Generator) -> NDArray[np.float16]:
    """Unevenness of the lung tissue (vessels too small to see), HU, coarse and fine together."""
    total = np.zeros(grid.shape, np.float32)
    for size_mm, strength in ((26.0, 14.0), (7.0, 9.0)):
        step = size_mm * body.scale
        shape = [int(n * s / step) + 3 for n, s in zip(grid.shape, grid.spacing_mm, strict=True)]
        knots = rng.normal(0, strength, shape).astype(np.float32)
        field = knots
        for axis in range(3):
            position = np.arange(grid.shape[axis]) * grid.spacing_mm[axis] / step
            index = position.astype(int)
            fraction = (position - index).astype(np.float32)
            fraction = (fraction * fraction * (3 - 2 * fraction)).reshape(
                [-1 if a == axis else 1 for a in range(3)]
            )
            field = (
                field.take(index, axis) * (1 - fraction) + field.take(index + 1, axis) * fraction
            )
        total += field
    return total.astype(np.float16)


class _Slab:
    """Some slices under the brush: positions in mm and their part of the image."""

    def __init__(self, body: Thorax, grid: Grid, xyz: tuple, image: NDArray[np.float32]) -> None:
        self.body, self.s = body, body.scale
        self.xyz = xyz
        self.voxel = float(np.prod(grid.spacing_mm) ** (1 / 3))
        self.image = image

    def inside(self, distance: NDArray) -> NDArray[np.float32]:
        """Share of each voxel inside a surface, from the distance to it."""
        return np.clip(0.5 - distance / self.voxel, 0, 1).astype(np.float32)

    def blend(self, fraction: NDArray, hu: NDArray | float) -> None:
        """Lay a tissue over the image."""
        self.image += fraction * (hu - self.image)

    def over(self, coverage: NDArray, hu: float) -> None:
        """Lay a tissue over the image where tubes of it were drawn."""
        if coverage.any():
            self.blend(coverage * np.float32(1 / 255), hu)

    def outside(self) -> None:
        """Air, the table, skin and fat, and the muscles of the chest wall."""
        x, y, z = self.xyz
        self.image[...] = AIR
        _, back = self.body.wall_y
        bend = 14 * self.s * (x / (self.body.wall_x * self.s)) ** 2
        depth = np.broadcast_to(y + bend - (back + 2) * self.s, self.image.shape)
        plate = np.abs(depth - 9 * self.s) - 9 * self.s
        self.blend(self.inside(plate), -720.0)
        self.blend(self.inside(np.abs(plate) - 1.2), -180.0)
        self.blend(self.inside(thorax.body(self.body, x, y, z)), FAT)
        self.blend(self.inside(thorax.body(self.body, x, y, z, self.body.fat)), MUSCLE)

    def belly(self) -> None:
        """Under the diaphragm: liver on the right, stomach with its air and spleen on the left."""
        x, y, z = self.xyz
        for side in ("left", "right"):
            inside = self.inside(thorax.chest(self.body, side, x, y, z) + 2 * self.s)
            below = self.inside(-thorax.diaphragm(self.body, side, x, y, z) + 3 * self.s)
            self.blend(inside * below, LIVER if side == "right" else 46.0)
        a, b, _ = self.body.lung_half
        centre = (self.body.lung_x - 6, -22.0, self.body.dome_z[0] - 24)
        u, v, w = (p / self.s for p in self.xyz)
        bubble = thorax.ellipsoid(u, v, w, centre, (0.45 * a, 0.3 * b, 13.0)) * self.s
        self.blend(self.inside(bubble), -960.0)

    def spine(self) -> None:
        """Vertebral bodies and discs, the canal, the arches behind it, the breastbone."""
        u, v, w = (p / self.s for p in self.xyz)
        phase = np.cos(2 * np.pi * w / skeleton.RIB_PITCH_MM)
        disc = (phase > 0.86).astype(np.float32)
        column = thorax.ellipsoid(u, v, 0 * w, (0, 81, 0), (19, 15, 1)) * 15 * self.s
        self.blend(self.inside(column), CORTEX * (1 - disc) + 90 * disc)
        self.blend(self.inside(column + 2.5 * self.s), MARROW * (1 - disc) + 80 * disc)
        arch = np.abs(np.hypot(u, v - 106) - 10.5) - 2.5
        process = np.maximum(np.hypot(u / 3.5, (v - 119) / 8) - 1, -phase - 0.6) * 4
        self.blend(self.inside(np.minimum(arch, process) * self.s + 0 * w), 420.0)
        front, _ = self.body.wall_y
        at = front + self.body.fat + 7
        plate = np.maximum(np.maximum(np.abs(u) - 17, np.abs(v - at) - 5), np.abs(w + 40) - 85)
        self.blend(self.inside(plate * self.s), 330.0)
        self.blend(self.inside((plate + 2) * self.s), MARROW)

    def middle(self, contrast: Contrast) -> None:
        """Fat of the mediastinum, the heart and the blood in its chambers."""
        u, v, w = (p / self.s for p in self.xyz)
        half, depth = self.body.upper_half
        fat = np.hypot(u / (half - 3), (v - 2) / (depth - 8)) - 1 + 0 * w
        above = np.clip((w - min(self.body.dome_z) + 20) / 25, 0, 1)
        self.blend(self.inside(fat * half * self.s) * above, MEDIASTINUM)
        sac = thorax.heart(self.body, *self.xyz)
        self.blend(self.inside(sac), -60.0)
        self.blend(self.inside(sac + 4 * self.s), HEART_MUSCLE)
        for (centre, size), hu in (
            (central.RIGHT_ATRIUM, contrast.artery_hu),
            (central.RIGHT_VENTRICLE, contrast.artery_hu),
            (central.LEFT_VENTRICLE, contrast.vein_hu),
            (central.LEFT_ATRIUM, contrast.vein_hu),
        ):
            chamber = thorax.ellipsoid(u, v, w, centre, size) * self.s
            self.blend(self.inside(chamber), hu)

    def lungs(self, texture: NDArray, findings: Findings) -> NDArray[np.uint8]:
        """Lung tissue, denser at the back, with what ails it; returns 1 left, 2 right."""
        x, y, z = self.xyz
        sides = np.zeros(self.image.shape, np.uint8)
        tissue = texture + np.float32(LUNG) + GRAVITY_HU_PER_MM * (y / self.s)
        tissue = tissue + FISSURE_HU_MM / self.voxel * self.fissures()
        tissue = self.ailing(tissue.astype(np.float32), findings)
        for value, side in ((1, "left"), (2, "right")):
            distance = thorax.lung(self.body, side, x, y, z)
            self.blend(self.inside(2 * distance), tissue)
            sides[distance < 0] = value
        return sides

    def fissures(self) -> NDArray:
        """Share of each voxel's width, from its middle to the borders of the lobes."""
        return np.clip(1 - thorax.fissure(self.body, *self.xyz) / self.voxel, 0, 1)

    def ailing(self, tissue: NDArray, findings: Findings) -> NDArray:
        """Nodules, holes of emphysema, and patches of consolidation in the tissue."""
        x, y, z = self.xyz
        for balls, hu, soft in (
            (findings.emphysema, -965.0, 1.0),
            (findings.consolidation, -40.0, 6.0 * self.s),
            (findings.nodules, 45.0, 0.0),
        ):
            for one in balls:
                reach = one[3] + 2 * soft + 2 * self.voxel
                box = tuple(
                    np.abs(axis.ravel() - centre) <= reach
                    for axis, centre in zip((z, y, x), one[2::-1], strict=True)
                )
                if not all(part.any() for part in box):
                    continue
                where = np.ix_(*box)
                away = appearance.ball(x[..., box[2]], y[:, box[1]], z[box[0]], one)
                fraction = np.clip(0.5 - away / (self.voxel + soft), 0, 1)
                tissue[where] += fraction * (hu - tissue[where])
        return tissue
