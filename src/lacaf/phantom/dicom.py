"""A CT series in DICOM, with the headers that a hospital's archive sends along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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

from lacaf.phantom.handling import Handling
from lacaf.phantom.identity import Identity
from lacaf.volume import Volume

#: What 12 bits with an intercept of -1024 can hold; scanners cut off there.
HU_RANGE = (-1024, 3071)


def write_series(
    image: Volume,
    identity: Identity,
    case: str,
    handling: Handling,
    folder: Path,
    rng: np.random.Generator,
) -> None:
    """Write a right-handed volume (HU) as one file a slice, in shuffled names, and the strays."""
    series = folder / "ST000001" / "SE000002" if handling.nested else folder
    series.mkdir(parents=True, exist_ok=True)
    count = image.grid.shape[0]
    names = rng.permutation(count)
    for index in range(count):
        place = index if image.grid.affine[2, 2] > 0 else count - 1 - index  # from the feet
        number = count - place if handling.head_first else place + 1
        dataset = _slice(image, index, identity, case, handling)
        dataset.InstanceNumber = number
        dataset.SOPInstanceUID = identity.uid(case, f"instance {number}")
        _save(dataset, handling, series / f"IM{names[index] + 1:06d}")
    if handling.stray in ("scout", "both"):
        _save(_scout(image, identity, case, handling), handling, folder / "SCOUT001")
    if handling.stray in ("text", "both"):
        text = f"Export of {identity.name} ({identity.patient_id}), {identity.institution}\n"
        (folder / f"{identity.patient_id}_export.txt").write_text(text)


def _common(identity: Identity, case: str) -> pydicom.Dataset:
    """Patient, study and equipment: the same in every file of a case, all of it invented."""
    dataset = pydicom.Dataset()
    date = identity.study_date(case)
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID = CTImageStorage
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = date
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = "112233.440000"
    dataset.AccessionNumber = identity.accession(case)
    dataset.Modality = "CT"
    dataset.Manufacturer = "Lacaf Phantoms"
    dataset.InstitutionName = identity.institution
    dataset.InstitutionAddress = identity.address
    dataset.ReferringPhysicianName = identity.physician
    dataset.StationName = identity.station
    dataset.StudyDescription = f"CT thorax of {identity.name}"
    dataset.OperatorsName = identity.operator
    dataset.PatientName = identity.name
    dataset.PatientID = identity.patient_id
    dataset.PatientBirthDate = identity.birth_date
    dataset.PatientSex = "O"
    dataset.PatientAddress = identity.address
    dataset.PatientComments = f"{identity.name} does not exist"
    dataset.BodyPartExamined = "CHEST"
    dataset.KVP = "120"
    dataset.DeviceSerialNumber = identity.station
    dataset.PatientPosition = "HFS"
    dataset.StudyInstanceUID = identity.uid(case, "study")
    dataset.FrameOfReferenceUID = identity.uid(case, "frame of reference")
    dataset.StudyID = identity.accession(case)
    private = dataset.private_block(0x0009, "LACAF PHANTOM", create=True)
    private.add_new(0x01, "LO", identity.name)
    return dataset


def _slice(
    image: Volume, index: int, identity: Identity, case: str, handling: Handling
) -> pydicom.Dataset:
    dataset = _common(identity, case)
    dataset.SeriesDescription = "Thorax axial"
    dataset.SeriesNumber = 2
    dataset.SeriesInstanceUID = identity.uid(case, "series")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.ConvolutionKernel = "STANDARD"
    spacing = image.grid.spacing_mm
    dataset.SliceThickness = _ds(spacing[0])
    dataset.PixelSpacing = [_ds(spacing[1]), _ds(spacing[2])]
    axes = image.grid.affine[:3, :3] / np.array(spacing[::-1])
    dataset.ImageOrientationPatient = [_ds(v) for v in (*axes[:, 0], *axes[:, 1])]
    position = image.grid.to_mm(np.array([index, 0, 0]))
    dataset.ImagePositionPatient = [_ds(v) for v in position]
    dataset.SliceLocation = _ds(position[2])
    _set_pixels(dataset, image.array[index], handling)
    return dataset


def _scout(image: Volume, identity: Identity, case: str, handling: Handling) -> pydicom.Dataset:
    """A frontal overview as scanners take it first: no slice, and marked as a localizer."""
    dataset = _common(identity, case)
    dataset.SeriesDescription = "Scout"
    dataset.SeriesNumber = 1
    dataset.SeriesInstanceUID = identity.uid(case, "scout series")
    dataset.SOPInstanceUID = identity.uid(case, "scout")
    dataset.InstanceNumber = 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    dataset.SliceThickness = "400"
    dataset.PixelSpacing = [_ds(image.grid.spacing_mm[0]), _ds(image.grid.spacing_mm[2])]
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "0", "-1"]
    dataset.ImagePositionPatient = [_ds(v) for v in image.grid.corners_mm().max(axis=0)]
    _set_pixels(dataset, image.array.mean(axis=1)[::-1], handling)
    return dataset


def _set_pixels(dataset: pydicom.Dataset, hu: NDArray, handling: Handling) -> None:
    intercept = -1024 if handling.storage.endswith("-1024") else 0
    signed = handling.storage.startswith("signed")
    stored = np.clip(np.rint(hu), *HU_RANGE).astype(np.int32) - intercept
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = 16 if signed else 12
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(signed)
    dataset.RescaleIntercept = str(intercept)
    dataset.RescaleSlope = "1"
    dataset.RescaleType = "HU"
    dataset.WindowCenter, dataset.WindowWidth = "-600", "1500"
    dataset.PixelData = stored.astype("<i2" if signed else "<u2").tobytes()


def _save(dataset: pydicom.Dataset, handling: Handling, path: Path) -> None:
    plain = ImplicitVRLittleEndian if handling.syntax == "implicit" else ExplicitVRLittleEndian
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = plain
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    if handling.syntax == "jpeg-ls":
        dataset.compress(JPEGLSLossless, encoding_plugin="pyjpegls", generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)


def _ds(value: float) -> Any:
    """A decimal string of at most 16 characters, as the standard has it."""
    return DS(float(value), auto_format=True)
