"""Arrays on the disk, in compressed chunks, of which any part is read without the rest.

Blosc2 keeps a CT and what is known of it in some quarter of the bytes of plain arrays, and a cold
disk hands over a patch in less time. LZ4HC, since Zstandard saves a seventh of the bytes and
takes twice as long to read from memory; see ``benchmarks/patch_storage.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lacaf.fault import Fault

#: Voxels along each axis of what is compressed together: patches are a few of them wide.
CHUNK, BLOCK = 64, 32


def write(array: NDArray, path: Path) -> None:
    """Write an array ``(Z, Y, X)``; the same array gives the same bytes."""
    import blosc2

    chunks = tuple(min(CHUNK, length) for length in array.shape)
    blosc2.asarray(
        np.ascontiguousarray(array),
        urlpath=str(path),
        mode="w",
        chunks=chunks,
        blocks=tuple(min(BLOCK, length) for length in chunks),
        cparams={
            "codec": blosc2.Codec.LZ4HC,
            "clevel": 5,
            "filters": [blosc2.Filter.SHUFFLE if array.itemsize > 1 else blosc2.Filter.NOFILTER],
            "nthreads": 1,
        },
    )


def read(path: Path, region: tuple[slice, ...] = ()) -> NDArray:
    """A part of an array, or all of it.

    The file is opened for each part: what was read before takes no memory, and processes that
    are forked share nothing.

    Raises:
        Fault: the file is missing or damaged.
    """
    import blosc2

    try:
        return blosc2.open(str(path), mode="r", dparams={"nthreads": 1})[region]
    except (OSError, RuntimeError, ValueError) as error:
        raise Fault(
            f"{path} cannot be read ({error}); remove its folder and run "
            f"`snakemake {path.parent / 'prepare.json'}`"
        ) from None
