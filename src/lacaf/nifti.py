"""NIfTI files, written fast: a header of our own making, and gzip that keeps up with decoders.

A ``.nii.gz`` is one gzip member, which every reader takes (browsers refuse several), compressed by
ISA-L; another kind of processor may compress otherwise, and it comes out the same.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lacaf.grid import RAS_TO_LPS, Grid

#: Codes of the NIfTI-1 standard for the types that volumes have.
DATATYPES = {
    "uint8": 2, "int16": 4, "int32": 8, "float32": 16, "float64": 64, "int8": 256,
    "uint16": 512, "uint32": 768,
}  # fmt: skip
MILLIMETRES = 2
SCANNER_COORDINATES = 1
MOST_ALONG_AXIS = 32767
#: The header, four bytes that say "no extension", then the voxels.
VOXELS_AT = 352
#: Compressed one by one, so that two threads share the work; larger blocks compress no better.
#: Always as many, however the voxels come, so that the bytes depend on the volume alone.
BLOCK_BYTES = 2**20
#: Of ISA-L's 0 to 3: as small as zlib's fastest in a fifth of the time.
LEVEL = 2
THREADS = 2


@contextmanager
def writing(path: Path, grid: Grid, dtype: DTypeLike) -> Iterator[Callable[[NDArray], None]]:
    """Write a NIfTI file part by part.

    Args:
        path: ends with ``.nii`` or ``.nii.gz``.
        grid: the voxels' place; RAS in the file, as the standard has it.
        dtype: of the voxels.

    Yields:
        A function that takes the next voxels in the order of the array (z slowest), of any
        number and shape.

    Raises:
        ValueError: NIfTI has no such type, or the parts were not the whole grid.
    """
    dtype = np.dtype(dtype)
    left = int(np.prod(grid.shape))
    block = bytearray(header(grid, dtype))
    with ExitStack() as stack:
        handle: BinaryIO | None = None

        def add(voxels: NDArray) -> None:
            nonlocal block, handle, left
            left -= voxels.size
            plain = np.ascontiguousarray(voxels, dtype.newbyteorder("<"))
            data = plain.reshape(-1).view(np.uint8).data
            if handle is None:  # not before: who decodes may fork, and threads do not survive that
                handle = stack.enter_context(_opened(path))
            while data:
                room = BLOCK_BYTES - len(block)
                block += data[:room]
                data = data[room:]
                if len(block) == BLOCK_BYTES:
                    handle.write(block)
                    block = bytearray()

        yield add
        if handle is not None:
            handle.write(block)
    if left:
        raise ValueError(f"{abs(left)} voxels too {'few' if left > 0 else 'many'} for {grid.shape}")


def header(grid: Grid, dtype: np.dtype) -> bytes:
    """The 352 bytes before the voxels: NIfTI-1, scanner coordinates, mm, nothing else.

    The quaternion is that of the nearest rotation (a sheared grid is whole in the sform alone).

    Raises:
        ValueError: NIfTI has no such type, or an axis is too long for it.
    """
    if max(grid.shape) > MOST_ALONG_AXIS:
        raise ValueError(f"NIfTI-1 holds at most {MOST_ALONG_AXIS} voxels along an axis")
    if dtype.name not in DATATYPES:
        raise ValueError(f"NIfTI-1 has no {dtype.name}; use one of {', '.join(DATATYPES)}")
    affine = RAS_TO_LPS @ grid.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    quaternion, handedness = _quaternion(affine[:3, :3] / spacing)
    return struct.pack(
        "<i28xihsB8h3f4h8f3fhBB4f2i80s24s2h6f12f16s4s4x",
        348, 0, 0, b"r", 0,
        3, *grid.shape[::-1], 1, 1, 1, 1,
        0.0, 0.0, 0.0, 0, DATATYPES[dtype.name], 8 * dtype.itemsize, 0,
        handedness, *spacing, 1.0, 1.0, 1.0, 1.0,
        float(VOXELS_AT), 1.0, 0.0, 0, 0, MILLIMETRES,
        0.0, 0.0, 0.0, 0.0, 0, 0, b"", b"",
        SCANNER_COORDINATES, SCANNER_COORDINATES, *quaternion, *affine[:3, 3],
        *affine[:3].ravel(), b"", b"n+1",
    )  # fmt: skip


def _quaternion(axes: NDArray) -> tuple[tuple[float, float, float], float]:
    """b, c, d of the rotation nearest to ``axes``, and -1 if the third axis is mirrored."""
    left, _, right = np.linalg.svd(axes)
    turn = left @ right
    handedness = 1.0
    if np.linalg.det(turn) < 0:
        turn, handedness = turn * [1, 1, -1], -1.0
    # Four times the squares of a, b, c, d; the largest is divided by, so that none is lost.
    signs = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    square = 1 + signs @ np.diag(turn)
    largest = int(square.argmax())
    skew = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    if largest == 0:
        products = np.array([square[0], *skew])
    else:
        products = np.array([skew[largest - 1], *(turn + turn.T)[largest - 1]])
        products[largest] = square[largest]
    a, b, c, d = products / (2 * np.sqrt(square[largest]))
    flip = -1.0 if a < 0 else 1.0  # the standard takes a to be positive
    return (flip * b + 0.0, flip * c + 0.0, flip * d + 0.0), handedness


def _opened(path: Path) -> BinaryIO:
    """The file to write into: as it is, or compressed by threads into one gzip member."""
    if not path.name.endswith(".gz"):
        return path.open("wb")
    from isal import igzip_threaded

    return igzip_threaded.open(path, "wb", LEVEL, threads=THREADS, block_size=BLOCK_BYTES)
