"""Lungs from trained networks of others, imported when they are asked for.

Both packages fetch their weights when they are first used, and TotalSegmentator sends usage
statistics unless that is switched off: see docs/crop.md. Each is handed an upright copy of the
CT, so that no axis order or flip of the file can be misread, and answers in its own numbers,
which are brought to 1 left and 2 right here.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf.crop.sampling import integer_hu, sample
from lacaf.grid import RAS_TO_LPS, Grid
from lacaf.params.section import ParamsError
from lacaf.volume import Volume

#: The upright copy that a network is handed: spacing x, y, z, mm. lungmask brings each slice to
#: 256 x 256 voxels around the body, TotalSegmentator the volume to 1.5 mm.
SPACING_MM = {"lungmask": (1.0, 1.0, 2.5), "totalsegmentator": (1.5, 1.5, 1.5)}
PACKAGE = {"lungmask": "lungmask", "totalsegmentator": "TotalSegmentator"}

#: lungmask's model R231: 1 is the patient's right lung, 2 the left.
LUNGMASK_SIDES = np.array([0, 2, 1], np.uint8)


def segment(name: str, image: Volume) -> tuple[Volume, dict[str, Any], list[str]]:
    """The lungs (1 left, 2 right) that a network sees, on an upright grid; facts; flags.

    Raises:
        ParamsError: its package is not installed.
    """
    upright = integer_hu(sample(image, _upright_grid(image.grid, SPACING_MM[name])))
    run = {"lungmask": _lungmask, "totalsegmentator": _totalsegmentator}[name]
    mask, version = run(upright)
    return Volume(mask, upright.grid), {"version": version}, []


def _upright_grid(grid: Grid, spacing_mm: tuple[float, float, float]) -> Grid:
    corners = grid.corners_mm()
    low = corners.min(axis=0)
    x, y, z = np.ceil((corners.max(axis=0) - low) / spacing_mm).astype(int) + 1
    return Grid.upright((int(z), int(y), int(x)), spacing_mm, tuple(low))


def _package(name: str, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ParamsError(
            f"crop.lungs is {name}, whose package cannot be imported ({type(error).__name__}); "
            f"install it (pip install {PACKAGE[name]}), or set crop.lungs to classical"
        ) from None


def _version(name: str) -> str:
    from importlib.metadata import version

    return version(PACKAGE[name])


def _lungmask(upright: Volume) -> tuple[NDArray[np.uint8], str]:
    package = _package("lungmask", "lungmask")
    labels = package.LMInferer(tqdm_disable=True).apply(upright.array)
    return lungmask_sides(labels), _version("lungmask")


def lungmask_sides(labels: NDArray) -> NDArray[np.uint8]:
    """lungmask's labels as 1 left, 2 right."""
    return LUNGMASK_SIDES[labels]


def _totalsegmentator(upright: Volume) -> tuple[NDArray[np.uint8], str]:
    package = _package("totalsegmentator", "totalsegmentator.python_api")
    names = _package("totalsegmentator", "totalsegmentator.map_to_binary").class_map["total"]
    import nibabel as nib

    image = nib.Nifti1Image(upright.array.T, RAS_TO_LPS @ upright.grid.affine)
    lobes = [name for name in names.values() if name.startswith("lung_")]
    answer = package.totalsegmentator(image, task="total", roi_subset=lobes, ml=True, quiet=True)
    labels = np.asanyarray(answer.dataobj).T
    return lobe_sides(labels, names), _version("totalsegmentator")


def lobe_sides(labels: NDArray, names: dict[int, str]) -> NDArray[np.uint8]:
    """Labels of lobes (``lung_upper_lobe_left``, …) and of anything else as 1 left, 2 right."""
    table = np.zeros(int(max(names)) + 1, np.uint8)
    for value, name in names.items():
        if name.startswith("lung_"):
            table[value] = 1 if name.endswith("_left") else 2 if name.endswith("_right") else 0
    return table[labels.astype(np.int64)]
