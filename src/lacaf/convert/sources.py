"""Where a CT comes in: a folder of any nesting, an archive of one, or a single file.

File names may hold patients' names, so nothing beyond this module ever shows one: files are
known by their number in the order of their names.

Archives are unpacked member by member: `shutil`, `zipfile` and `tarfile` extract under the names
that the archive gives and know no limit of size.
"""

from __future__ import annotations

import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lacaf.convert.declared import GEOMETRY
from lacaf.fault import Refusal, machines_fault

#: Volume formats by the end of the file's name.
VOLUME_KINDS = {
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".nrrd": "nrrd",
    ".nhdr": "nrrd",
    ".mha": "mha",
    ".mhd": "mha",
    ".npz": "npz",
}
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2")
#: A hospital's export of one patient stays far below this; an archive that unpacks to more is
#: a mistake, or made to fill the disk.
MOST_BYTES, MOST_FILES = 32 * 10**9, 100_000
#: CT packs to a tenth; what unpacks to a hundred times its size was made for it. A gigabyte is
#: allowed to any archive.
MOST_RATIO, ANY_BYTES = 100, 10**9
BLOCK_BYTES = 2**20


@dataclass(frozen=True)
class Source:
    """The files that came in, in the order of their names, and the archive's kind if any."""

    files: list[Path]
    archive: str | None


def volume_kind(path: Path) -> str | None:
    """``nifti``, ``nrrd``, ``mha`` or ``npz`` by the name's end; None for anything else."""
    name = path.name.lower()
    return next((kind for end, kind in VOLUME_KINDS.items() if name.endswith(end)), None)


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """The files of a source; an archive is unpacked to a folder that is gone afterwards.

    Raises:
        Refusal: the source is missing or empty, or its archive is broken or locked.
    """
    if path.is_dir():
        inside = (p for p in path.rglob("*") if p.is_file())
        yield Source(_some(sorted(p for p in inside if not p.name.startswith(".snakemake"))), None)
    elif not path.is_file():
        raise Refusal(
            "there is no such file or folder",
            expectation="the CT that the case table names",
            remedy="correct the path in the table or fetch the data",
            file="the source",
        )
    elif path.name.lower().endswith(ARCHIVES):
        with tempfile.TemporaryDirectory(prefix="lacaf-") as folder:
            kind = "zip" if path.name.lower().endswith(".zip") else "tar"
            try:
                files = _unzip(path, Path(folder)) if kind == "zip" else _untar(path, Path(folder))
            except (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError,
                    OSError, RuntimeError, ValueError, OverflowError) as error:  # fmt: skip
                if machines_fault(error):
                    raise
                raise Refusal(
                    f"the {kind} archive cannot be unpacked ({type(error).__name__})",
                    expectation="a whole archive without a password",
                    remedy="unpack it by hand, or fetch it again",
                    file="the source",
                ) from None
            yield Source(_some(files), kind)
    else:
        yield Source([path], None)


def _some(files: list[Path]) -> list[Path]:
    if not files:
        raise Refusal(
            "it holds no files",
            expectation="a CT: DICOM files, or one NIfTI, NRRD or MHA file",
            remedy="correct the path in the table or fetch the data",
            file="the source",
        )
    return files


def _target(folder: Path, number: int, name: str) -> Path:
    """A safe name for an archive's member: no path of the archive is ever followed."""
    if name.lower().rsplit("/", 1)[-1] == GEOMETRY:
        return folder / f"{number:06d}" / GEOMETRY
    end = max((e for e in VOLUME_KINDS if name.lower().endswith(e)), key=len, default="")
    return folder / f"{number:06d}{end}"


def _unpack(handle: IO[bytes], target: Path, room: int) -> int:
    """Write a member, block by block; the bytes that the archive may still unpack to."""
    target.parent.mkdir(exist_ok=True)
    with target.open("wb") as out:
        while block := handle.read(BLOCK_BYTES):
            room -= len(block)
            if room < 0:
                raise _too_large("more than a CT can be")
            out.write(block)
    return room


def _room(path: Path) -> int:
    """Bytes that an archive may unpack to."""
    return min(MOST_BYTES, max(ANY_BYTES, MOST_RATIO * path.stat().st_size))


def _too_large(what: str) -> Refusal:
    return Refusal(
        f"the archive unpacks to {what}",
        expectation="the CT of one patient",
        remedy="unpack it by hand and keep what is needed",
        file="the source",
    )


def _unzip(path: Path, folder: Path) -> list[Path]:
    files: list[Path] = []
    room = _room(path)
    with zipfile.ZipFile(path) as archive:
        members = sorted(
            (m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename
        )
        if len(members) > MOST_FILES:
            raise _too_large(f"more than {MOST_FILES} files")
        for number, member in enumerate(members):
            files.append(_target(folder, number, member.filename))
            with archive.open(member) as handle:
                room = _unpack(handle, files[-1], room)
    return files


def _untar(path: Path, folder: Path) -> list[Path]:
    """Members are read in the archive's order (a seek in a compressed stream starts anew)."""
    found: dict[str, Path] = {}
    room = _room(path)
    with tarfile.open(path, "r:*") as archive:
        for number, member in enumerate(archive):
            if number == MOST_FILES:
                raise _too_large(f"more than {MOST_FILES} files")
            handle = archive.extractfile(member) if member.isreg() else None
            if handle is not None:
                found[member.name] = _target(folder, number, member.name)
                room = _unpack(handle, found[member.name], room)
        # The check sum of a compressed stream stands at its end, and is checked when that is read.
        rest = 0
        while archive.fileobj is not None and (block := archive.fileobj.read(BLOCK_BYTES)):
            rest += len(block)
            if rest > ANY_BYTES:
                raise _too_large("more than a CT can be")
    return [found[name] for name in sorted(found)]
