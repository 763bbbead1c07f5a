"""DICOM pixels to Hounsfield units: what may be decoded, all slices at once, with warnings."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels import get_decoder
from pydicom.uid import JPEGLSNearLossless, UncompressedTransferSyntaxes

from lacaf.dicom import decoding, workers
from lacaf.dicom.header import Header
from lacaf.dicom.hounsfield import PADDING_AT_MOST_HU, check_air, window_flags
from lacaf.fault import Refusal

#: Lossy JPEG (8 or 12 bits): the writer had to window the values, HU are gone.
LOSSY_JPEG = {f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 52, 53, 54, 55, 56)}
#: No scanner reconstructs a larger matrix.
MOST_ROWS = 4096
#: Below this a process costs more than it saves.
LARGE_VOXELS = 2**22
#: What is counted of each slice, in this order.
COUNTS = ("padding", "air", "cut_off", "spare")


def check(slices: Sequence[Header]) -> None:
    """Check by the headers that the pixels of all slices are HU and can be decoded.

    Raises:
        Refusal: naming the first slice of which this is not so.
    """
    for header in slices:
        _check_hounsfield(header)
        _check_decodable(header)


def decode(
    slices: Sequence[Header], each: Callable[[NDArray[np.int16]], None] | None = None
) -> tuple[NDArray[np.int16], dict[str, Any], list[str]]:
    """Decode sorted slices to ``(Z, Y, X)`` int16 HU; padding becomes air (-1024 HU).

    Args:
        slices: of one matrix and checked, from the bottom of the stack up.
        each: called with each slice ``(Y, X)``, in order, as soon as it is there.

    Returns:
        The array, facts for the record (transfer syntax, rescale, padding), and flags.

    Raises:
        Refusal: the values are not HU, or a slice cannot be decoded.
    """
    padding, flags = _padding(slices)
    shape = (len(slices), slices[0].rows, slices[0].columns)
    array, counts = _shared(shape, np.int16), _shared((len(slices), len(COUNTS)), np.int64)

    def work(index: int) -> None:
        hu = decoding.decode(slices[index], padding[index], array[index])
        counts[index] = [getattr(hu, name) for name in COUNTS]

    # Encapsulated pixels are decoded apart whatever their size: a decoder may crash on broken ones.
    encapsulated = any(h.transfer_syntax not in UncompressedTransferSyntaxes for h in slices)
    ready: set[int] = set()
    following = 0
    apart = encapsulated or array.size > LARGE_VOXELS
    with closing(
        workers.each(work, len(slices), lambda i: slices[i].place, apart=apart)
    ) as finished:
        for index in finished:
            ready.add(index)
            while following in ready:
                if each is not None:
                    each(array[following])
                following += 1
    total = dict(zip(COUNTS, (int(n) for n in counts.sum(axis=0)), strict=True))
    check_air(total["air"], array.size, "the CT series")
    flags += _flags(slices, total) + window_flags(array)
    return array, _facts(slices, total["padding"] / array.size), flags


def _shared(shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray:
    """An array of zeros in memory that forked processes share."""
    bytes_needed = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, bytes_needed), dtype).reshape(shape)


def _flags(slices: Sequence[Header], total: dict[str, int]) -> list[str]:
    flags = []
    if total["cut_off"]:
        flags.append(f"{total['cut_off']} voxels above 32767 HU were cut off")
    if total["spare"]:
        flags.append(
            f"{total['spare']} voxels have bits above BitsStored; these were left out as an overlay"
        )
    if any(h.lossy or h.transfer_syntax == JPEGLSNearLossless for h in slices):
        flags.append("lossy compression: HU are approximate")
    if any(h.rescale_type == "US" for h in slices):
        flags.append("RescaleType is unspecified (US); taken as HU")
    return flags


def _facts(slices: Sequence[Header], padding_fraction: float) -> dict[str, Any]:
    return {
        "transfer_syntax": sorted({_syntax_name(h) for h in slices}),
        "rescale": [
            {"slope": slope, "intercept": intercept}
            for slope, intercept in sorted({(h.slope, h.intercept) for h in slices})
        ],
        "padding_share": round(padding_fraction, 6),
    }


def _check_hounsfield(header: Header) -> None:
    remedy = "export the original CT, not a picture of it"
    if header.slope is None or header.intercept is None:
        raise Refusal(
            "RescaleSlope or RescaleIntercept is missing: the values are not in Hounsfield units",
            expectation="CT with its rescale values",
            remedy=remedy,
            file=header.place,
        )
    if header.slope <= 0:
        raise Refusal(
            f"RescaleSlope is {header.slope:g}",
            expectation="a positive slope",
            remedy=remedy,
            file=header.place,
        )
    if header.rescale_type not in ("", "US") and not header.rescale_type.startswith(("HU", "HOU")):
        raise Refusal(
            "RescaleType is not Hounsfield units",
            expectation="HU",
            remedy="hand over the CT itself, not a spectral map or a dose",
            file=header.place,
        )
    if header.transfer_syntax in LOSSY_JPEG or header.bits_stored <= 8:
        raise Refusal(
            f"not HU: windowed or lossy pixels ({header.bits_stored} bits, {_syntax_name(header)})",
            expectation="the scanner's 12 to 16 bits, without loss",
            remedy=remedy,
            file=header.place,
        )
    if header.signed is None:
        raise Refusal(
            "PixelRepresentation is missing: whether values are signed cannot be told",
            expectation="0 or 1",
            remedy="export the series anew, with its original headers",
            file=header.place,
        )
    if header.photometric != "MONOCHROME2":
        raise Refusal(
            "the pixels are not MONOCHROME2",
            expectation="plain CT values",
            remedy=remedy,
            file=header.place,
        )


def _check_decodable(header: Header) -> None:
    if max(header.rows, header.columns) > MOST_ROWS or header.bits_stored > header.bits_allocated:
        raise Refusal(
            f"its header asks for {header.rows}x{header.columns} pixels with "
            f"{header.bits_stored} of {header.bits_allocated} bits",
            expectation=f"at most {MOST_ROWS}x{MOST_ROWS} pixels",
            remedy="fetch the file again",
            file=header.place,
        )
    if header.transfer_syntax in UncompressedTransferSyntaxes:
        return
    try:
        available = get_decoder(header.transfer_syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise Refusal(
            f"transfer syntax {_syntax_name(header)} cannot be decoded",
            expectation="uncompressed, RLE, JPEG lossless, JPEG-LS or JPEG 2000 pixels",
            remedy="recompress the series, for instance with gdcmconv or dcmdjpeg",
            file=header.place,
        )


def _syntax_name(header: Header) -> str:
    """The standard's name; a private syntax is not spelt out, its number may tell a site."""
    uid = header.transfer_syntax
    return uid.name if uid.name != str(uid) else "private"


def _padding(slices: Sequence[Header]) -> tuple[list[tuple[int, int] | None], list[str]]:
    """The stored padding of each slice, where it can be believed, and a flag where not."""
    believed: list[tuple[int, int] | None] = []
    doubtful = set()
    for header in slices:
        if header.padding is None:
            believed.append(None)
            continue
        hu = header.padding[1] * (header.slope or 1) + (header.intercept or 0)
        believed.append(header.padding if hu <= PADDING_AT_MOST_HU else None)
        if hu > PADDING_AT_MOST_HU:
            doubtful.add(round(hu))
    return believed, [
        f"PixelPaddingValue would be {hu} HU, which is tissue; it was ignored"
        for hu in sorted(doubtful)
    ]
