"""NRRD and MetaImage files, through ITK, with what ITK assumes or overlooks looked at first.

ITK assumes axes where a file states none, and takes voxels of a damaged stream for what they
are; it tells of some damage by printing only.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lacaf.convert import sound
from lacaf.volume import Volume, from_itk

#: A head has fewer lines and shorter ones.
MOST_LINES, MOST_LINE_BYTES = 1000, 65536
#: Spaces of the patient (NRRD); a scanner's or a 3-D space leaves left and right open.
SPACES = ("left", "right", "lps", "ras", "las")
DIRECTIONS = ("transformmatrix", "rotation", "orientation")


def read(path: Path, kind: str, file: str) -> Volume:
    """A NRRD or MetaImage file (``kind``: nrrd, mha); ``file`` is its name in a refusal.

    Raises:
        Refusal: the file is broken, no plain 3-D volume, or states no orientation.
    """
    import SimpleITK as sitk

    head, voxels_at = _head(path, kind)
    if kind == "nrrd" and not head.get("space", "").startswith(SPACES):
        raise sound.no_orientation("no `space` field", file)
    sitk.ProcessObject.GlobalWarningDisplayOff()
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        _check_voxels(path, head, voxels_at)
        with _overheard() as said:
            reader.ReadImageInformation()
            sound.check_three_axes(reader.GetSize(), reader.GetNumberOfComponents(), file)
            image = reader.Execute()
    except (RuntimeError, ValueError) as error:
        raise sound.broken(error, file) from None
    if said:
        raise sound.broken(ValueError(), file)
    if kind == "mha" and not any(head.get(key) for key in DIRECTIONS):
        raise sound.no_orientation("no `TransformMatrix` field", file)
    return from_itk(image)


def _head(path: Path, kind: str) -> tuple[dict[str, str], int]:
    """The fields of a file's text head, in lower case, and where it ends."""
    mark, last = (b":", "") if kind == "nrrd" else (b"=", "elementdatafile")
    fields: dict[str, str] = {}
    with path.open("rb") as handle:
        for _ in range(MOST_LINES):
            line = handle.readline(MOST_LINE_BYTES)
            key, _, value = line.partition(mark)
            name = key.decode("latin-1").strip().lower()
            fields[name] = value.decode("latin-1").strip().lower()
            if name == last or not line:
                break
        return fields, handle.tell()


def _check_voxels(path: Path, head: dict[str, str], voxels_at: int) -> None:
    """Unpack the voxels to the end of their stream, wherever they lie.

    Raises:
        ValueError: the stream is damaged or breaks off.
    """
    plain = head.get("compresseddata", "false").startswith("f")  # ITK takes any T, t or 1 for yes
    if head.get("encoding") not in ("gz", "gzip") and plain:
        return
    beside = head.get("data file") or head.get("datafile") or head.get("elementdatafile", "local")
    if beside == "local":
        size = path.stat().st_size - voxels_at
        if head.get("compresseddatasize", str(size)) != str(size):
            raise ValueError("the voxels are not of the size that the head says")
        sound.check_compressed(path, voxels_at)
        return
    names = {p.name.lower(): p for p in path.parent.iterdir()}  # the head is in lower case
    if beside in names:  # else ITK says what is wrong
        sound.check_compressed(names[beside], 0)


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """Catch what C++ code prints: one entry if it said anything, which may quote a header."""
    said: list[str] = []
    kept = {number: os.dup(number) for number in (1, 2)}
    with tempfile.TemporaryFile() as heard:
        try:
            for number in kept:
                os.dup2(heard.fileno(), number)
            yield said
        finally:
            for number, copy in kept.items():
                os.dup2(copy, number)
                os.close(copy)
            if heard.seek(0, os.SEEK_END):
                said.append("something")
