"""NIfTI files, written fast: a header of our own making, and gzip that keeps up with decoders.

The bytes depend on the volume alone, not on the order in which blocks are ready. A ``.nii.gz``
is one gzip member, which every reader takes (browsers refuse several). Packing is ISA-L's;
another kind of processor may pack otherwise, and unpacks to the same.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

if TYPE_CHECKING:
    from lacaf.volume import Grid

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
#: Packed one by one, so that two threads share the work; larger blocks pack no better.
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
    with path.open("wb") as handle, _packing(handle, path.name.endswith(".gz")) as write:
        write(header(grid, dtype))

        def add(voxels: NDArray) -> None:
            nonlocal left
            left -= voxels.size
            plain = np.ascontiguousarray(voxels, dtype.newbyteorder("<"))
            write(plain.reshape(-1).view(np.uint8).data)

        yield add
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
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ grid.affine
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


@contextmanager
def _packing(handle: BinaryIO, gzip: bool) -> Iterator[Callable[[memoryview | bytes], object]]:
    """A function that writes bytes, as they are or as gzip."""
    if not gzip:
        yield handle.write
        return
    with ThreadPoolExecutor(THREADS) as pool:
        packed = _Packed(handle, pool)
        yield packed.write
        packed.finish()


class _Packed:
    """A gzip file of one member, packed in blocks of fixed size by threads."""

    def __init__(self, handle: BinaryIO, pool: ThreadPoolExecutor) -> None:
        self._handle = handle
        self._pool = pool
        self._waiting: deque[Future[bytes]] = deque()
        self._block = bytearray()
        self._crc = self._size = 0
        handle.write(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")  # no name, no time

    def write(self, data: memoryview | bytes) -> None:
        from isal import isal_zlib

        self._crc = isal_zlib.crc32(data, self._crc)
        self._size += len(data)
        while data:
            room = BLOCK_BYTES - len(self._block)
            self._block += data[:room]
            data = data[room:]
            if len(self._block) == BLOCK_BYTES:
                self._submit(last=False)

    def finish(self) -> None:
        self._submit(last=True)
        self._drain(0)
        self._handle.write(struct.pack("<II", self._crc, self._size % 2**32))

    def _submit(self, last: bool) -> None:
        self._waiting.append(self._pool.submit(_packed, self._block, last))
        self._block = bytearray()
        self._drain(4 * THREADS)

    def _drain(self, most: int) -> None:
        while len(self._waiting) > most:
            self._handle.write(self._waiting.popleft().result())


def _packed(block: bytearray, last: bool) -> bytes:
    from isal import isal_zlib

    packer = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, -15)
    end = isal_zlib.Z_FINISH if last else isal_zlib.Z_FULL_FLUSH
    return packer.compress(block) + packer.flush(end)
