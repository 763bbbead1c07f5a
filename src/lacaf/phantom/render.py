"""A synthetic CT of the chest with its full truth."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lacaf.classes import SIDES, TABLE, UNKNOWN, class_value, values_of
from lacaf.coverage import nearest_side
from lacaf.grid import Grid
from lacaf.params.phantom import Phantom
from lacaf.phantom import anatomy, appearance, central, raster, scene, thorax, tree
from lacaf.phantom.anatomy import Anatomy
from lacaf.volume import Volume

#: Air around the body that the scan shows, and how far it goes beyond the lungs, mm at scale 1.
AIR_MM, BEYOND_LUNGS_MM = 6.0, (14.0, 12.0)
#: Width (standard deviation) of the scanner's point spread, in voxels.
BLUR_VOX = 0.45
#: What a scanner can store in twelve bits.
HU_RANGE = (-1024, 3071)


@dataclass(frozen=True, eq=False)
class Rendered:
    """A synthetic case on an upright LPS grid.

    Attributes:
        image: ``(Z, Y, X)`` int16, HU.
        labels: uint8, what an expert draws who draws all: the values of the classes; the trunk,
            which leads to both lungs, on the nearest one's side.
        truth: the same with 255 where a vessel is of neither side alone: the trunk.
        lungs: uint8, 1 left, 2 right, with the vessels inside them.
        airways: uint8, 1 lumen of windpipe and bronchi, 2 their walls.
        facts: what was drawn, in values that JSON can hold.
    """

    image: Volume
    labels: Volume
    truth: Volume
    lungs: Volume
    airways: Volume
    facts: dict[str, Any]


def render(case: str, phantom: Phantom) -> Rendered:
    """The synthetic CT of a case; the same name, seed and parameters give the same voxels."""
    patient, (shape_rng, look_rng, noise_rng) = build(case, phantom)
    grid = field_of_view(patient.body, phantom, shape_rng)
    contrast = appearance.contrast(phantom.kind, look_rng)
    findings = appearance.findings(patient.body, look_rng)
    noise_hu = float(look_rng.uniform(*appearance.NOISE_HU[phantom.kind]))
    tubes = {
        "artery": raster.coverage(patient.arteries, grid),
        "vein": raster.coverage(patient.veins, grid),
        "lumen": raster.coverage(patient.airways, grid),
        "airway": raster.coverage(anatomy.walls(patient.airways), grid),
    }
    image, lungs = scene.paint(patient.body, contrast, findings, tubes, grid, look_rng)
    _blur_and_noise(image, noise_hu, noise_rng)
    labels, shared = _labels(patient, tubes, lungs, grid)
    facts = _facts(contrast, findings, noise_hu, labels, lungs, grid)
    return Rendered(
        Volume(np.rint(image).clip(*HU_RANGE).astype(np.int16), grid),
        Volume(labels, grid),
        Volume(np.where(shared, UNKNOWN, labels).astype(np.uint8), grid),
        Volume(lungs, grid),
        Volume(_airways(tubes), grid),
        facts,
    )


def build(case: str, phantom: Phantom) -> tuple[Anatomy, list[np.random.Generator]]:
    """The patient's anatomy, and streams of random numbers for shape, look and noise.

    The streams are separate, so that the noise does not depend on how a tree grew.
    """
    root = np.random.SeedSequence([phantom.seed, zlib.crc32(case.encode())])
    streams = [np.random.default_rng(child) for child in root.spawn(5)]
    body = thorax.draw(streams[0], phantom.scale)
    rules = anatomy.growth(phantom.kind, phantom.spacing_mm, phantom.scale)
    return anatomy.grow(body, rules, streams[1]), streams[2:]


def field_of_view(body: thorax.Thorax, phantom: Phantom, rng: np.random.Generator) -> Grid:
    """The scanned box: the body and the table. Realistic scans are square, as scanners make them.

    Spacing varies about the wanted one: by 6 % in the plane, from -8 to +15 % between slices.
    """
    plane = phantom.spacing_mm * rng.uniform(0.94, 1.06)
    slices = phantom.spacing_mm * rng.uniform(0.92, 1.15)
    s, (front, back) = body.scale, body.wall_y
    half = (body.wall_x + AIR_MM) * s
    low_y, high_y = (front - AIR_MM) * s, (back + AIR_MM + scene.TABLE_MM) * s
    if phantom.kind == "realistic":
        middle, half_y = (low_y + high_y) / 2, max(half, (high_y - low_y) / 2)
        low_y, high_y = middle - half_y, middle + half_y
    low, high = body.height
    low, high = low - BEYOND_LUNGS_MM[0] * s, high + BEYOND_LUNGS_MM[1] * s
    shape = tuple(
        int(np.ceil(extent / step))
        for extent, step in ((high - low, slices), (high_y - low_y, plane), (2 * half, plane))
    )
    return Grid.upright(shape, (plane, plane, slices), (-half, low_y, low))  # type: ignore[arg-type]


def _blur_and_noise(image: NDArray, noise_hu: float, rng: np.random.Generator) -> None:
    """The scanner's point spread, then noise that is correlated within the slice; in place."""
    for axis in range(3):
        ndimage.gaussian_filter1d(image, BLUR_VOX, axis, output=image, mode="nearest", radius=2)
    kernel = np.array([0.25, 0.5, 0.25], np.float32)
    gain = noise_hu / float((kernel**2).sum())
    for index in range(len(image)):
        noise = rng.standard_normal(image.shape[1:], np.float32)
        for axis in range(2):
            noise = ndimage.correlate1d(noise, kernel, axis, mode="wrap")
        image[index] += gain * noise


def _labels(
    patient: Anatomy, tubes: dict[str, NDArray], lungs: NDArray, grid: Grid
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The classes where a vessel fills at least half a voxel, and which lead to both lungs.

    The side is that of the lungs that a vessel leads to. The atrium is heart, no vein. The lumen
    of the airways is there only if the table of classes has it.
    """
    artery = (tubes["artery"] >= 128) & (tubes["artery"] >= tubes["vein"])
    vein = (tubes["vein"] >= 128) & ~artery
    centre, half = central.LEFT_ATRIUM
    x, y, z = (a / patient.body.scale for a in scene.axes(grid))
    vein &= ~(thorax.ellipsoid(x, y, z, centre, half) < 0)
    nearest = _nearest_lung(lungs, grid)
    side = np.where(lungs > 0, lungs, nearest)
    shared = np.zeros(grid.shape, bool)
    for mask, grown in ((artery, patient.arteries), (vein, patient.veins)):
        central_part = mask & (lungs == 0)
        places = grid.to_mm(np.argwhere(central_part))
        whose = tree.leads_to(grown)[tree.nearest_node(grown, places)]
        shared[central_part] = whose == 3
        side[central_part] = np.where(whose == 3, side[central_part], whose)
    labels = np.zeros(grid.shape, np.uint8)
    for value in values_of(vessel="airway", side=""):
        labels[tubes["lumen"] >= 128] = value
    for vessel, mask in (("artery", artery), ("vein", vein)):
        of_side = np.array([0, *(class_value(vessel, name) for name in SIDES)], np.uint8)
        labels[mask] = of_side[side[mask]]
    return labels, shared


def _nearest_lung(lungs: NDArray, grid: Grid) -> NDArray[np.uint8]:
    """The side of each voxel's nearest lung; 1 far from both, where no vessel is."""
    box = ndimage.find_objects((lungs > 0).astype(np.uint8))[0]
    index = grid.to_mm(np.array([part.start for part in box]))
    inner = Grid.upright(lungs[box].shape, grid.spacing_mm[::-1], tuple(index))
    out = np.ones(grid.shape, np.uint8)
    out[box] = nearest_side(lungs[box], inner)
    return out


def _airways(tubes: dict[str, NDArray]) -> NDArray[np.uint8]:
    return np.where(tubes["lumen"] >= 128, 1, 2 * (tubes["airway"] >= 128)).astype(np.uint8)


def _facts(
    contrast: appearance.Contrast,
    findings: appearance.Findings,
    noise_hu: float,
    labels: NDArray,
    lungs: NDArray,
    grid: Grid,
) -> dict[str, Any]:
    counts = np.bincount(labels.ravel(), minlength=UNKNOWN)
    volumes = {row.name: float(counts[row.value] * grid.voxel_ml) for row in TABLE}
    for value, side in enumerate(SIDES, start=1):
        volumes[f"{side}_lung"] = float((lungs == value).sum() * grid.voxel_ml)
    return {
        "phase": contrast.phase,
        "artery_hu": round(contrast.artery_hu, 1),
        "vein_hu": round(contrast.vein_hu, 1),
        "same_hu": contrast.artery_hu == contrast.vein_hu,
        "findings": findings.names(),
        "noise_hu": round(noise_hu, 1),
        "volumes_ml": {name: round(value, 2) for name, value in volumes.items()},
        "murray_exponent": tree.MURRAY_EXPONENT,
    }
