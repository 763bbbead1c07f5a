"""A CT series written: the volume's geometry and pixels, under headers that the caller gives.

Patient, study and equipment are the caller's; what follows from the volume (PS3.3 C.7.6.2 and
C.8.2.1, the image plane and the CT image) is worked out here.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
)
from pydicom.valuerep import DS

from lacaf.grid import Grid
from lacaf.volume import Volume


@dataclass(frozen=True)
class Encoding:
    """How HU are stored.

    Attributes:
        signed: 16 bits with a sign, else 12 without.
        intercept: HU of the stored value 0.
        syntax: how the file is encoded: implicit or explicit VR, little endian, or JPEG-LS.
    """

    signed: bool = False
    intercept: int = -1024
    syntax: Literal["explicit", "implicit", "jpeg-ls"] = "explicit"


def slices(image: Volume, common: pydicom.Dataset, encoding: Encoding) -> Iterator[pydicom.Dataset]:
    """The slices of a volume (HU), in the array's order, each a CT image of its own.

    They lack what tells one from another: SOPInstanceUID and InstanceNumber.

    Args:
        image: right-handed, so that slices follow one another along row x column.
        common: what all slices say: patient, study, series, equipment.
        encoding: how HU are stored.

    Raises:
        ValueError: the encoding cannot hold them.
    """
    for index in range(image.grid.shape[0]):
        dataset = deepcopy(common)
        dataset.SOPClassUID = CTImageStorage
        set_plane(dataset, image.grid, index)
        set_pixels(dataset, image.array[index], encoding)
        yield dataset


def set_plane(dataset: pydicom.Dataset, grid: Grid, index: int) -> None:
    """Say where slice ``index`` of a grid lies: position, orientation, pixel size, thickness."""
    spacing = grid.spacing_mm
    dataset.SliceThickness = decimal(spacing[0])
    dataset.PixelSpacing = [decimal(spacing[1]), decimal(spacing[2])]
    axes = grid.affine[:3, :3] / np.array(spacing[::-1])
    dataset.ImageOrientationPatient = [decimal(v) for v in (*axes[:, 0], *axes[:, 1])]
    position = grid.to_mm(np.array([index, 0, 0]))
    dataset.ImagePositionPatient = [decimal(v) for v in position]
    dataset.SliceLocation = decimal(position[2])


def set_pixels(dataset: pydicom.Dataset, hu: NDArray, encoding: Encoding) -> None:
    """Store one slice ``(Y, X)`` of HU with all that says how to read it.

    Raises:
        ValueError: the encoding cannot hold them; cut off, they would be another image.
    """
    stored = np.rint(hu).astype(np.int32) - encoding.intercept
    low, high = (-(2**15), 2**15 - 1) if encoding.signed else (0, 2**12 - 1)
    if stored.min() < low or stored.max() > high:
        raise ValueError(
            f"HU from {hu.min():g} to {hu.max():g} do not fit stored values from {low} to {high} "
            f"with an intercept of {encoding.intercept}"
        )
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = 16 if encoding.signed else 12
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(encoding.signed)
    dataset.RescaleIntercept = str(encoding.intercept)
    dataset.RescaleSlope = "1"
    dataset.RescaleType = "HU"
    dataset.WindowCenter, dataset.WindowWidth = "-600", "1500"
    dataset.PixelData = stored.astype("<i2" if encoding.signed else "<u2").tobytes()


def save(dataset: pydicom.Dataset, encoding: Encoding, path: Path) -> None:
    """Write a dataset with its SOPInstanceUID as a DICOM file; its pixels are compressed if asked.

    Raises:
        ValueError: it lacks what a DICOM file must have.
    """
    plain = ImplicitVRLittleEndian if encoding.syntax == "implicit" else ExplicitVRLittleEndian
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = plain
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    if encoding.syntax == "jpeg-ls":
        dataset.compress(JPEGLSLossless, encoding_plugin="pyjpegls", generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)


def decimal(value: float) -> Any:
    """A decimal string of at most 16 characters, as the standard has it."""
    return DS(float(value), auto_format=True)
