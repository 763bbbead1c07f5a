"""A CT as a hospital or a data set hands it over, to be spoilt, and what convert makes of it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from odd.kind import CASE, Kind, carried_out, settings
from phantom.simple import Simple, case_in, simple

from lacaf import volume
from lacaf.cases import Case
from lacaf.phantom.handling import Handling, lay
from lacaf.phantom.handover import hand_over
from lacaf.volume import Volume


@cache
def phantom() -> Simple:
    """The plain thorax that is handed over."""
    return simple()


class Delivered:
    """A series of DICOM files of the plain thorax, in a folder."""

    def __init__(self, folder: Path, **way: Any) -> None:
        handling = Handling(**way)
        case = case_in(folder, coding="")
        hand_over(phantom(), case, None, 5, folder / "case1", folder / "truth", handling=handling)
        self.source = case.source
        #: What the converted image must be.
        self.truth = lay(phantom().image, handling)
        files = [p for p in self.source.rglob("IM??????") if p.is_file()]
        place = {p: pydicom.dcmread(p, stop_before_pixels=True).ImagePositionPatient for p in files}
        #: The slices' files from the feet up.
        self.files = sorted(files, key=lambda p: float(place[p][2]))

    def edit(self, change: Callable[[pydicom.Dataset], object], which: slice = slice(None)) -> None:
        """Apply ``change(dataset)`` to some slices, counted from the feet."""
        for path in self.files[which]:
            dataset = pydicom.dcmread(path)
            change(dataset)
            dataset.save_as(path)

    def add(self, name: str, which: slice = slice(None), **tags: Any) -> None:
        """Copies of some slices, as images of their own, with other tags."""
        for path in self.files[which]:
            dataset = pydicom.dcmread(path)
            dataset.SOPInstanceUID += f".{len(name)}"
            for keyword, value in tags.items():
                setattr(dataset, keyword, value)
            dataset.save_as(path.with_name(f"{path.name}{name}"))


def tags(which: slice = slice(None), **values: Any) -> Callable[[Delivered], None]:
    """Set tags of some slices; a value of None removes the tag."""

    def change(dataset: pydicom.Dataset) -> None:
        for keyword, value in values.items():
            if value is None:
                dataset.pop(keyword, None)
            else:
                setattr(dataset, keyword, value)

    return lambda delivered: delivered.edit(change, which)


def convert(source: Path, folder: Path, series: str = "", **rules: Any) -> dict[str, Any]:
    """The record of stage convert for a source."""
    from lacaf.convert import convert as stage

    case = Case(CASE, "patient1", source, None, None, "", "predict", series)
    changed = settings().convert.model_copy(update=rules)
    return carried_out("convert", folder, lambda out: stage(case, changed, None, out))


def image(folder: Path) -> Volume:
    """The image that :func:`convert` wrote."""
    return volume.read(folder / "convert" / CASE / "image.nii.gz")


def check_same(found: Volume, truth: Volume) -> None:
    """Every voxel in its place, with its HU; what is below -1024 may have become air."""
    assert found.grid.same_as(truth.grid)
    assert np.array_equal(np.maximum(found.array, -1024), np.maximum(truth.array, -1024))


def dicom(
    name: str,
    what: str,
    outcome: Any,
    words: str | tuple[str, ...],
    spoil: Callable[[Delivered], Any] = lambda delivered: None,
    *,
    same: bool = True,
    series: str = "",
    rules: dict[str, Any] | None = None,
    **way: Any,
) -> Kind:
    """A kind of DICOM input: ``spoil`` a delivery; it may return another source for it.

    Unless the voxels are meant to change (``same=False``), what is not refused must be the truth.
    """

    def run(folder: Path) -> dict[str, Any]:
        delivered = Delivered(folder / "raw", **way)
        source = spoil(delivered)
        source = source if isinstance(source, Path) else delivered.source
        record = convert(source, folder, series, **(rules or {}))
        if record["status"] == "ok" and same:
            check_same(image(folder), delivered.truth)
        return record

    words = (words,) if isinstance(words, str) else words
    return Kind(name, "convert", what, outcome, words, run)


def volume_file(
    name: str,
    what: str,
    outcome: Any,
    words: str | tuple[str, ...],
    write: Callable[[Path], Any],
    *,
    file: str = "ct.nii.gz",
    same: bool = True,
    rules: dict[str, Any] | None = None,
) -> Kind:
    """A kind of volume file: ``write(path)`` it; the folder may hold more than the file.

    ``write`` may return what the converted image must be, if that is not the plain thorax.
    """

    def run(folder: Path) -> dict[str, Any]:
        (folder / "raw").mkdir()
        truth = write(folder / "raw" / file)
        record = convert(folder / "raw", folder, **(rules or {}))
        if record["status"] == "ok" and same:
            check_same(image(folder), truth if isinstance(truth, Volume) else phantom().image)
        return record

    words = (words,) if isinstance(words, str) else words
    return Kind(name, "convert", what, outcome, words, run)
