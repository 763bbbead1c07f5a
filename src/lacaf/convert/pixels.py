"""DICOM pixels to Hounsfield units."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEGLSLossless,
    JPEGLSNearLossless,
    UncompressedTransferSyntaxes,
)

from lacaf.convert.headers import Header
from lacaf.convert.hounsfield import PADDING_AT_MOST_HU, Hounsfield, check_air, from_stored
from lacaf.records import Refusal, machines_fault

#: Lossy JPEG (8 or 12 bits): the writer had to window the values, HU are gone.
LOSSY_JPEG = {f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 52, 53, 54, 55, 56)}


def decode(slices: Sequence[Header]) -> tuple[NDArray[np.int16], dict[str, Any], list[str]]:
    """Decode sorted slices to ``(Z, Y, X)`` int16 HU; padding becomes air (-1024 HU).

    Returns:
        The array, facts for the record (transfer syntax, rescale, padding), and flags.

    Raises:
        Refusal: the values are not HU, or a slice cannot be decoded.
    """
    for header in slices:
        _check_hounsfield(header)
        _check_decodable(header)
    padding, flags = _padding(slices)
    array = np.empty((len(slices), slices[0].rows, slices[0].columns), np.int16)

    padded = air = cut_off = 0
    # One after another: the JPEG-LS decoder holds Python's lock, threads made it no quicker.
    for index, header in enumerate(slices):
        hu = _decode_slice(header, padding[index])
        array[index] = hu.array
        padded, air, cut_off = padded + hu.padding, air + hu.air, cut_off + hu.cut_off
    check_air(air, array.size, "the CT series")
    if cut_off:
        flags.append(f"{cut_off} voxels above 32767 HU were cut off")
    if any(h.lossy or h.transfer_syntax == JPEGLSNearLossless for h in slices):
        flags.append("lossy compression: HU are approximate")
    if any(h.rescale_type == "US" for h in slices):
        flags.append("RescaleType is unspecified (US); taken as HU")
    facts = {
        "transfer_syntax": sorted({_syntax_name(h) for h in slices}),
        "rescale": [
            {"slope": slope, "intercept": intercept}
            for slope, intercept in sorted({(h.slope, h.intercept) for h in slices})
        ],
        "padding_share": round(padded / array.size, 6),
    }
    return array, facts, flags


def _check_hounsfield(header: Header) -> None:
    file = f"DICOM file {header.ordinal}"
    remedy = "export the original CT, not a picture of it"
    if header.slope is None or header.intercept is None:
        raise Refusal(
            "RescaleSlope or RescaleIntercept is missing: the values are not in Hounsfield units",
            expectation="CT with its rescale values",
            remedy=remedy,
            file=file,
        )
    if header.slope <= 0:
        raise Refusal(
            f"RescaleSlope is {header.slope:g}",
            expectation="a positive slope",
            remedy=remedy,
            file=file,
        )
    if header.rescale_type not in ("", "US") and not header.rescale_type.startswith(("HU", "HOU")):
        raise Refusal(
            "RescaleType is not Hounsfield units",
            expectation="HU",
            remedy="hand over the CT itself, not a spectral map or a dose",
            file=file,
        )
    if header.transfer_syntax in LOSSY_JPEG or header.bits_stored <= 8:
        raise Refusal(
            f"windowed or lossy pixels ({header.bits_stored} bits, {_syntax_name(header)})",
            expectation="the scanner's 12 to 16 bits, without loss",
            remedy=remedy,
            file=file,
        )
    if header.photometric != "MONOCHROME2":
        raise Refusal(
            "the pixels are not MONOCHROME2",
            expectation="plain CT values",
            remedy=remedy,
            file=file,
        )


def _check_decodable(header: Header) -> None:
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
            file=f"DICOM file {header.ordinal}",
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


def _decode_slice(header: Header, padding: tuple[int, int] | None) -> Hounsfield:
    # pydicom prefers pylibjpeg for JPEG-LS, which needs three times as long.
    jpeg_ls = header.transfer_syntax in (JPEGLSLossless, JPEGLSNearLossless)
    plugin = "pyjpegls" if jpeg_ls and find_spec("jpeg_ls") else ""
    try:
        # A deflated file must be unpacked whole before its pixels can be found.
        deflated = header.transfer_syntax == DeflatedExplicitVRLittleEndian
        origin = pydicom.dcmread(header.path) if deflated else header.path
        stored = pixel_array(origin, raw=True, decoding_plugin=plugin)
    except Exception as error:  # decoders raise whatever they like
        if machines_fault(error):
            raise
        raise Refusal(
            f"its pixels cannot be decoded ({type(error).__name__}): cut short or damaged",
            expectation="whole pixel data",
            remedy="fetch the file again",
            file=f"DICOM file {header.ordinal}",
        ) from None
    if stored.shape != (header.rows, header.columns):
        raise Refusal(
            f"its pixels have the shape {stored.shape}",
            expectation=f"{(header.rows, header.columns)} as the header says",
            remedy="fetch the file again",
            file=f"DICOM file {header.ordinal}",
        )
    assert header.slope is not None  # checked above, for mypy
    assert header.intercept is not None
    return from_stored(stored, header.slope, header.intercept, padding)
