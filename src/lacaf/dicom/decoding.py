"""The pixels of one slice: from the file to HU, by the shortest way that its encoding allows.

pydicom decodes what is rare; plain words and JPEG-LS are read without it, which is quicker.
Encapsulated pixels are first seen to be whole here, since pydicom takes what follows a broken
one for pixels.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from lacaf.dicom.header import UNDEFINED, Header
from lacaf.dicom.hounsfield import Hounsfield, from_stored, table
from lacaf.fault import Refusal, machines_fault

#: Pixels that lie in the file as they are.
PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
JPEG_LS = (JPEGLSLossless, JPEGLSNearLossless)
#: Heads of the parts of encapsulated pixels, and the mark with which every kind of JPEG ends.
ITEM, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
JPEG_END = b"\xff\xd9"


def decode(header: Header, padding: tuple[int, int] | None, out: NDArray[np.int16]) -> Hounsfield:
    """HU of a slice, written to ``out`` (Y, X).

    Args:
        header: of the slice; its rescale values are there.
        padding: lowest and highest stored value that is no measurement.
        out: of the header's rows and columns.

    Raises:
        Refusal: the pixels are cut short, damaged or of another size than the header says.
        OSError, MemoryError: the machine's fault.
    """
    assert header.slope is not None  # checked before, for mypy
    assert header.intercept is not None
    rescale = (header.slope, header.intercept, padding)
    try:
        if header.transfer_syntax in PLAIN and header.bits_allocated == 16 and header.pixels:
            return table(header.bits_stored, bool(header.signed), *rescale).of(_plain(header), out)
        if header.transfer_syntax in JPEG_LS and header.frames == 1 and header.pixels:
            words, bits = _jpeg_ls(header)
            return table(bits, bool(header.signed), *rescale).of(words, out)
        stored = _by_pydicom(header)
    except Refusal:
        raise
    except Exception as error:  # decoders raise whatever they like
        if machines_fault(error):
            raise
        raise _broken(f"its pixels cannot be decoded ({type(error).__name__})", header) from None
    if stored.shape != out.shape:
        raise _broken(f"its pixels have the shape {stored.shape}", header)
    if stored.dtype.itemsize == 2:
        words = np.ascontiguousarray(stored).view(np.uint16)
        return table(16, stored.dtype.kind == "i", *rescale).of(words, out)
    found = from_stored(stored, *rescale)
    out[:] = found.array
    return found


def _plain(header: Header) -> NDArray[np.uint16]:
    """The words of a slice as they lie in the file."""
    assert header.pixels is not None
    start, length = header.pixels
    slice_bytes = header.rows * header.columns * 2
    if length != slice_bytes * header.frames:
        raise _broken(
            f"its pixel data have {length} bytes, its header asks for "
            f"{slice_bytes * header.frames}",
            header,
        )
    with header.path.open("rb", buffering=0) as handle:
        handle.seek(start + header.frame * slice_bytes)
        content = handle.read(slice_bytes)
    if len(content) < slice_bytes:
        raise _broken(f"its pixel data break off after {len(content)} of {length} bytes", header)
    order = ">" if header.transfer_syntax == ExplicitVRBigEndian else "<"
    words = np.frombuffer(content, f"{order}u2").reshape(header.rows, header.columns)
    return words.astype(np.uint16, copy=False)


def _jpeg_ls(header: Header) -> tuple[NDArray[np.uint16], int]:
    """The words of a slice in JPEG-LS, and how many of their bits hold the value.

    CharLS (pyjpegls) without pydicom around it: an eighth quicker, and this is the most of what
    converting such a series costs.
    """
    import jpeg_ls

    content, info = jpeg_ls.decode_pixel_data(b"".join(_fragments(header)))
    shape = (info["height"], info["width"])
    bits = info["bits_per_sample"]
    if shape != (header.rows, header.columns) or info["components"] != 1 or not 8 < bits <= 16:
        raise _broken(f"its JPEG-LS stream holds {shape} pixels of {bits} bits", header)
    return np.frombuffer(content, "<u2").reshape(shape).astype(np.uint16, copy=False), bits


def _by_pydicom(header: Header) -> NDArray:
    """Stored values by one of pydicom's decoders."""
    if header.transfer_syntax.is_encapsulated:
        _fragments(header)  # checked: pydicom would take what follows for pixels
    # pydicom prefers pylibjpeg for JPEG-LS, which needs three times as long.
    plugin = "pyjpegls" if header.transfer_syntax in JPEG_LS else ""
    if header.frames > 1:
        dataset = _dataset(header.path, header.path.stat().st_mtime_ns)
        return pixel_array(dataset, index=header.frame, raw=True, decoding_plugin=plugin)
    # A deflated file must be unpacked whole before its pixels can be found.
    deflated = header.transfer_syntax == DeflatedExplicitVRLittleEndian
    origin = pydicom.dcmread(header.path) if deflated else header.path
    return pixel_array(origin, raw=True, decoding_plugin=plugin)


def _fragments(header: Header) -> list[bytes]:
    """The parts of encapsulated pixel data (PS3.5 A.4) without the offset table, all whole.

    Raises:
        Refusal: they break off, or a JPEG stream ends without its mark.
    """
    if header.pixels is None:
        raise _broken("it holds no encapsulated pixel data", header)
    changed = header.path.stat().st_mtime_ns
    found = _all_fragments(header.path, changed, *header.pixels)
    ends = found if len(found) == header.frames else found[-1:]
    jpeg = header.transfer_syntax != RLELossless
    if not found or (jpeg and not all(part.rstrip(b"\0").endswith(JPEG_END) for part in ends)):
        raise _broken("its encapsulated pixel data break off or are no whole parts", header)
    return found


@lru_cache(maxsize=1)
def _all_fragments(path: Path, changed: int, start: int, length: int) -> list[bytes]:
    """The fragments of a file, read once for all its frames; none if they are not whole."""
    with path.open("rb", buffering=0) as handle:
        handle.seek(start)
        content = handle.readall() if length == UNDEFINED else handle.read(length)
    found, at = [], 0
    while (head := content[at : at + 8])[:4] == ITEM:
        size = int.from_bytes(head[4:], "little")
        found.append(content[at + 8 : at + 8 + size])
        at += 8 + size
    whole = head[:4] == SEQUENCE_END if length == UNDEFINED else at == len(content)
    return found[1:] if whole else []


@lru_cache(maxsize=1)
def _dataset(path: Path, changed: int) -> pydicom.Dataset:
    """A file of many frames, read once for all of them (anew if it has ``changed``)."""
    return pydicom.dcmread(path)


def _broken(finding: str, header: Header) -> Refusal:
    return Refusal(
        finding,
        expectation="whole pixel data, of the size that the header says",
        remedy="fetch the file again: it is cut short or damaged",
        file=header.place,
    )
