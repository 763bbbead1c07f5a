"""What pixels may hold, or not."""

from pathlib import Path

import numpy as np
import pydicom
from odd.delivered import Delivered, dicom, image, tags
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLSLossless

STORED = {"storage": "signed 0"}


def pixels(change, which=slice(None)):
    """Change stored values: ``change(array)`` gets and gives int64."""

    def edit(dataset: pydicom.Dataset) -> None:
        array = change(dataset.pixel_array.astype(np.int64))
        dtype = "<i2" if dataset.PixelRepresentation else "<u2"
        dataset.PixelData = (array % 65536).astype("<u2").view(dtype).tobytes()

    return lambda delivered: delivered.edit(edit, which)


def both(*changes):
    return lambda delivered: [change(delivered) for change in changes] and None


def corners(value: int):
    """The rows in front and behind, which are air in the phantom, hold ``value``."""

    def change(array: np.ndarray) -> np.ndarray:
        array[:2] = array[-2:] = value
        return array

    return pixels(change)


def padding(value: int):
    return lambda delivered: delivered.edit(lambda d: d.add_new("PixelPaddingValue", "US", value))


def syntax(uid: str):
    """Declare an encoding; plain pixels get the wrapping of encapsulated ones."""

    def change(dataset: pydicom.Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = uid
        dataset.PixelData = encapsulate([dataset.PixelData])
        dataset["PixelData"].is_undefined_length = True

    return lambda delivered: delivered.edit(change)


def spoil_stream(delivered: Delivered) -> None:
    """Bytes in the middle of a compressed slice are wrong."""
    content = bytearray(delivered.files[4].read_bytes())
    middle = len(content) - 700
    content[middle : middle + 60] = bytes(range(60))
    delivered.files[4].write_bytes(bytes(content))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def no_pixels(dataset: pydicom.Dataset) -> None:
    del dataset.PixelData


def longer(dataset: pydicom.Dataset) -> None:
    dataset.PixelData = dataset.PixelData + bytes(88)


def eight_bits(dataset: pydicom.Dataset) -> None:
    window = np.clip((dataset.pixel_array.astype(float) - 24) / 4, 0, 255).astype(np.uint8)
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.RescaleIntercept = 7, "0"
    dataset.PixelData = window.tobytes()


def colour(dataset: pydicom.Dataset) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
    dataset.PlanarConfiguration = 0
    dataset.PixelData = dataset.PixelData * 3


def own_slope(delivered: Delivered) -> None:
    """Each slice is stored with a slope and an intercept of its own."""
    for number, path in enumerate(delivered.files):
        dataset = pydicom.dcmread(path)
        factor = 2 + number % 3
        hu = dataset.pixel_array.astype(int) - 1024
        dataset.PixelData = ((hu + 1500) * factor).astype("<u2").tobytes()
        dataset.BitsStored, dataset.HighBit = 16, 15
        dataset.RescaleSlope, dataset.RescaleIntercept = f"{1 / factor:.12f}", "-1500"
        dataset.save_as(path)


def checked(kind, check):
    """A kind whose voxels are meant to change: ``check(array, truth)`` looks at them."""
    run = kind.run

    def and_look(folder: Path) -> dict:
        record = run(folder)
        check(image(folder).array, Delivered(folder / "again", **STORED).truth.array)
        return record

    return type(kind)(kind.id, kind.stage, kind.what, kind.outcome, kind.words, and_look)


def padded(array: np.ndarray, truth: np.ndarray) -> None:
    assert (array[:, :2] == -1024).all()
    assert np.array_equal(array[:, 2:-2], np.maximum(truth, -1024)[:, 2:-2])


def undeclared(name: str, value: int, *more):
    kind = dicom(name, f"{value} HU outside the field of view, without a tag", "accepted", "",
                 both(corners(value), *more), same=False, **STORED)  # fmt: skip
    return checked(kind, padded)


KINDS = [
    dicom("signed", "signed pixels", "accepted", "", **STORED),
    dicom("own-slope", "slope and intercept of its own in each slice", "accepted", "", own_slope),
    undeclared("padding-2000", -2000),
    undeclared("padding-2048", -2048),
    undeclared("padding-3024", -3024),
    checked(
        dicom("padding-declared", "a PixelPaddingValue of the other sign", "accepted", "",
              both(corners(-1200), padding(65536 - 1200)), same=False, **STORED),
        padded,
    ),
    dicom("padding-tissue", "a PixelPaddingValue that means tissue", "flagged",
          "PixelPaddingValue would be 40 HU, which is tissue; it was ignored",
          padding(40), **STORED),
    dicom("overlay-bits", "an overlay in the unused high bits", "flagged",
          "voxels have bits above BitsStored", pixels(lambda a: a | 0xF000)),
    dicom("window", "HU cut to a window", "flagged",
          ("hold exactly -700 HU", "hold exactly 30 HU"),
          pixels(lambda a: np.clip(a, -700, 30)), same=False, **STORED),
    dicom("lossy", "mild loss by compression, declared", "flagged",
          "lossy compression: HU are approximate", tags(LossyImageCompression="01")),
    dicom("rescale-us", "an unspecified RescaleType", "flagged", "RescaleType is unspecified",
          tags(RescaleType="US")),
    dicom("no-rescale", "no rescale values", "refused", "not in Hounsfield units",
          tags(RescaleSlope=None, RescaleIntercept=None)),
    dicom("slope-zero", "a slope of zero", "refused", "RescaleSlope is 0", tags(RescaleSlope="0")),
    dicom("slope-negative", "a negative slope", "refused", "RescaleSlope is -1",
          tags(RescaleSlope="-1")),
    dicom("spectral", "a spectral map (effective Z)", "refused",
          "RescaleType is not Hounsfield units", tags(RescaleType="Z_EFF")),
    dicom("offset", "an intercept that is 1024 off", "refused", "no Hounsfield units of a chest",
          tags(RescaleIntercept="0")),
    dicom("sign-lost", "signed pixels that are declared unsigned", "refused",
          "no Hounsfield units of a chest", tags(PixelRepresentation=0), **STORED),
    dicom("eight-bits", "eight bits: a window, no HU", "refused",
          "not HU: windowed or lossy pixels", lambda d: d.edit(eight_bits)),
    dicom("inverted", "MONOCHROME1", "refused", "not MONOCHROME2",
          tags(PhotometricInterpretation="MONOCHROME1")),
    dicom("colour", "colour images", "refused", "26 × colour image", lambda d: d.edit(colour)),
    dicom("no-pixels", "one slice without pixels", "refused", "its pixels cannot be decoded",
          lambda d: d.edit(no_pixels, slice(3, 4))),
    dicom("cut", "a file that breaks off", "refused", "its pixel data break off after 2140 of 2640",
          lambda d: cut(d.files[9])),
    dicom("longer", "more pixel data than the header asks for", "refused",
          "have 2728 bytes, its header asks for 2640", lambda d: d.edit(longer, slice(1, 2))),
    dicom("rows", "a matrix beyond all measure", "refused", "asks for 65535x65535 pixels",
          tags(Rows=65535, Columns=65535)),
    dicom("bits", "more bits stored than there are", "refused", "with 24 of 16 bits",
          tags(BitsStored=24)),
    dicom("jpeg-ls", "JPEG-LS", "accepted", "", syntax="jpeg-ls"),
    dicom("jpeg-ls-spoilt", "a spoilt JPEG-LS stream", "refused", "its pixels cannot be decoded",
          spoil_stream, syntax="jpeg-ls"),
    dicom("not-packed", "plain pixels that are declared to be JPEG-LS", "refused",
          "its encapsulated pixel data break off or are no whole parts", syntax(JPEGLSLossless)),
    dicom("jpeg-baseline", "JPEG that loses HU", "refused", "JPEG Baseline (Process 1)",
          syntax("1.2.840.10008.1.2.4.50")),
    dicom("mpeg", "an encoding that no decoder reads", "refused", "MPEG2 Main Profile",
          syntax("1.2.840.10008.1.2.4.100")),
    dicom("private-syntax", "a private encoding", "refused", "transfer syntax private cannot",
          syntax("2.25.99.1")),
]  # fmt: skip
