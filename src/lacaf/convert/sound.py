"""What any volume file must be: whole, of three axes, of a size that a CT can have.

Compressed voxels are unpacked here once more than their reader does: nibabel and ITK stop at
the last voxel, before the check sum, and no option makes them go on.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lacaf import nifti
from lacaf.fault import Refusal

#: A voxel of less than this many cubic mm spans no volume.
SINGULAR = 1e-9
#: 2048 x 2048 x 500 and more.
MOST_VOXELS = 2**31
#: zlib and gzip by the stream's own mark, up to the largest window.
EITHER = 32 + zlib.MAX_WBITS
BLOCK_BYTES = 2**20


def check_compressed(path: Path, start: int) -> None:
    """Unpack a zlib or gzip stream to its end, where its check sum stands: readers stop before.

    Args:
        path: the file.
        start: where in it the stream begins.

    Raises:
        ValueError: the stream is damaged or breaks off.
    """
    from isal import isal_zlib

    with path.open("rb") as handle:
        handle.seek(start)
        rest = handle.read(BLOCK_BYTES)
        while rest:
            stream = isal_zlib.decompressobj(EITHER)
            try:
                while not stream.eof:
                    if not rest:
                        raise ValueError("the stream breaks off")
                    stream.decompress(rest)
                    rest = handle.read(BLOCK_BYTES) if not stream.eof else stream.unused_data
            except isal_zlib.error as error:  # type: ignore[misc]  # typed as an instance
                raise ValueError(str(error)) from None
            rest = (rest or handle.read(BLOCK_BYTES)).lstrip(b"\0")  # another member, or filling


def check_three_axes(shape: Sequence[int], components: int, file: str) -> None:
    """One value at each place of a volume, and no more of them than any CT has.

    Raises:
        Refusal: several axes or values, or an absurd number of voxels.
    """
    size = "x".join(str(n) for n in shape)
    if len(shape) != 3 or components != 1:
        raise Refusal(
            f"it holds {size} voxels of {components} values: {len(shape)} axes",
            expectation="one 3-D volume with one value a voxel",
            remedy="take one volume out of it (one time, one channel)",
            file=file,
        )
    if math.prod(int(n) for n in shape) > MOST_VOXELS or max(shape) > nifti.MOST_ALONG_AXIS:
        raise Refusal(
            f"its header asks for {size} voxels",
            expectation=f"at most {MOST_VOXELS / 1e9:.1f} billion voxels",
            remedy="fetch the file again, or convert it anew",
            file=file,
        )


def check_matrix(affine: NDArray, file: str) -> None:
    """Three axes that span a volume.

    Raises:
        Refusal: they do not, or are not finite.
    """
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < SINGULAR:
        raise Refusal(
            "its orientation matrix is singular or not finite",
            expectation="three axes in the patient",
            remedy="write the file anew with its geometry",
            file=file,
        )


def broken(error: Exception, file: str) -> Refusal:
    """The refusal of a file that its reader gives up on."""
    return Refusal(
        f"it cannot be read ({type(error).__name__})",
        expectation="a whole file with one 3-D volume",
        remedy="fetch the file again, or convert it anew",
        file=file,
    )


def no_orientation(what: str, file: str) -> Refusal:
    """The refusal of a file that leaves left and right open."""
    return Refusal(
        f"it states no orientation ({what}): left and right cannot be told",
        expectation="the direction of each axis in the patient",
        remedy="convert it anew from DICOM; do not guess",
        file=file,
    )
