"""Deflated DICOM files (PS3.5 A.5), looked at before they are unpacked.

pydicom unpacks the whole data set into memory without a limit, so the limit is set here.
"""

from __future__ import annotations

import mmap
import zlib
from pathlib import Path

DEFLATED = b"1.2.840.10008.1.2.1.99"
#: The encoding is named within so many bytes.
HEAD_BYTES = 1024
#: A deflated file is unpacked whole to be read; more than this is made to fill the memory.
MOST_BYTES = 2**30


def check_file(path: Path) -> None:
    """:func:`check` of a file, of which no more is read than its head tells to."""
    with path.open("rb") as handle:
        head = handle.read(HEAD_BYTES)
        if DEFLATED in head:
            check(head + handle.read())


def check(content: mmap.mmap | bytes) -> None:
    """Check that a deflated file unpacks to something that fits into memory.

    Raises:
        ValueError: it does not; the file is broken or made to do harm.
    """
    if DEFLATED not in content[:HEAD_BYTES]:
        return
    # The group length (0002,0000) stands first after the preamble and the mark.
    start = 144 + int.from_bytes(content[140:144], "little")
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    if len(stream.decompress(content[start:], MOST_BYTES)) == MOST_BYTES:
        raise ValueError("unpacks to more than an image or its labels can hold")
