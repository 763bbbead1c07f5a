"""How training arrays may lie on a disk: bytes a case, and the time to read a patch.

    python benchmarks/patch_storage.py

One synthetic CT as stage prepare keeps it (HU int16, side float16, what is known uint8) as plain
arrays that are memory-mapped, as such in tiles, and in compressed chunks by Blosc2 with several
codecs. A patch is read cold, its files just dropped from the page cache, and warm.
"""

import argparse
import os
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import blosc2
import numpy as np
from measuring import heading, parsed, row
from prepared_cohort import chest, scan

from lacaf.coverage import deep_in_lung
from lacaf.facts import packed
from lacaf.model.inputs import network_input
from lacaf.prepare.skeleton import tubed_skeleton

TILE = 32
CODECS = {
    "Blosc2, LZ4HC, shuffle": (blosc2.Codec.LZ4HC, 5, blosc2.Filter.SHUFFLE),
    "Blosc2, LZ4, shuffle": (blosc2.Codec.LZ4, 5, blosc2.Filter.SHUFFLE),
    "Blosc2, ZSTD, shuffle": (blosc2.Codec.ZSTD, 5, blosc2.Filter.SHUFFLE),
    "Blosc2, ZSTD, bit shuffle": (blosc2.Codec.ZSTD, 5, blosc2.Filter.BITSHUFFLE),
}


class Mapped:
    """Plain arrays."""

    def write(self, array, path):
        np.save(path, array)

    def read(self, path, region):
        return np.array(np.load(f"{path}.npy", mmap_mode="r")[region])


class Tiled:
    """Plain arrays of cubes that lie together."""

    def write(self, array, path):
        counts = [-(-n // TILE) for n in array.shape]
        whole = np.pad(array, [(0, c * TILE - n) for c, n in zip(counts, array.shape, strict=True)])
        split = whole.reshape([n for c in counts for n in (c, TILE)])
        np.save(path, np.ascontiguousarray(split.transpose(0, 2, 4, 1, 3, 5)))

    def read(self, path, region):
        tiles = tuple(slice(s.start // TILE, -(-s.stop // TILE)) for s in region)
        found = np.load(f"{path}.npy", mmap_mode="r")[tiles]
        z, y, x = (n * TILE for n in found.shape[:3])
        whole = found.transpose(0, 3, 1, 4, 2, 5).reshape(z, y, x)
        inside = (
            slice(s.start - t.start * TILE, s.stop - t.start * TILE)
            for s, t in zip(region, tiles, strict=True)
        )
        return np.ascontiguousarray(whole[tuple(inside)])


class Chunked:
    """Compressed chunks."""

    def __init__(self, codec, level, shuffle):
        self.settings = {"codec": codec, "clevel": level, "nthreads": 1}
        self.shuffle = shuffle

    def write(self, array, path):
        chunks = tuple(min(64, n) for n in array.shape)
        blocks = tuple(min(32, n) for n in array.shape)
        kind = self.shuffle if array.itemsize > 1 else blosc2.Filter.NOFILTER
        blosc2.asarray(
            array, urlpath=f"{path}.b2nd", mode="w", chunks=chunks, blocks=blocks,
            cparams=self.settings | {"filters": [kind]},
        )  # fmt: skip

    def read(self, path, region):
        return blosc2.open(f"{path}.b2nd", mode="r", dparams={"nthreads": 1})[region]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=[350, 350, 350])
    parser.add_argument("--patches", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--reads", type=int, default=40)
    options = parsed(parser, shape=[48, 48, 48], patches=[16], reads=3)
    arrays = case(options.shape)
    print(f"blosc2 {version('blosc2')}, numpy {version('numpy')}\n")
    names = [f"{n}³ {how}, ms" for n in options.patches for how in ("cold", "warm")]
    heading("", "MB a case", *names)
    kinds = {"memory-mapped": Mapped(), f"memory-mapped, tiles of {TILE}³": Tiled()}
    kinds |= {name: Chunked(*settings) for name, settings in CODECS.items()}
    for name, kind in kinds.items():
        with tempfile.TemporaryDirectory(dir=".") as folder:
            paths = [Path(folder) / what for what in arrays]
            for path, array in zip(paths, arrays.values(), strict=True):
                kind.write(array, path)
            size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
            times = [
                f"{1000 * median_read(kind, paths, options, n, cold):.1f}"
                for n in options.patches
                for cold in (True, False)
            ]
            row(name, f"{size:.0f}", *times)


def case(shape):
    """The arrays of a synthetic case."""
    image, lungs, labels = chest(shape)
    seen = network_input(scan(image, 0).array, lungs.array, image.grid)
    deep = deep_in_lung(lungs.array, image.grid)
    facts = packed(labels.array, deep, tubed_skeleton(labels.array))
    return {"hu": seen.hu, "side": seen.side, "facts": facts}


def median_read(kind, paths, options, size, cold):
    """Seconds that a patch of all arrays takes, at places of one seed."""
    rng, times = np.random.default_rng(0), []
    for _ in range(options.reads):
        if cold:
            for file in paths[0].parent.iterdir():
                forget(file)
        starts = [int(rng.integers(0, n - size + 1)) for n in options.shape]
        region = tuple(slice(s, s + size) for s in starts)
        begin = time.perf_counter()
        for path in paths:
            kind.read(path, region)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def forget(file):
    """Drop a file from the page cache."""
    handle = os.open(file, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


if __name__ == "__main__":
    main()
