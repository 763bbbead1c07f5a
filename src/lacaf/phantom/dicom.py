"""A CT series as a hospital's archive hands it over: invented headers, shuffled names, strays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import CTImageStorage

from lacaf.dicom import writing
from lacaf.dicom.writing import Encoding, decimal
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
    encoding = _encoding(handling)
    seen = Volume(np.clip(image.array, *HU_RANGE), image.grid)
    for index, dataset in enumerate(writing.slices(seen, _axial(identity, case), encoding)):
        place = index if image.grid.affine[2, 2] > 0 else count - 1 - index  # from the feet
        number = count - place if handling.head_first else place + 1
        dataset.InstanceNumber = number
        dataset.SOPInstanceUID = identity.uid(case, f"instance {number}")
        writing.save(dataset, encoding, series / f"IM{names[index] + 1:06d}")
    if handling.stray in ("scout", "both"):
        writing.save(_scout(image, identity, case, encoding), encoding, folder / "SCOUT001")
    if handling.stray in ("text", "both"):
        text = f"Export of {identity.name} ({identity.patient_id}), {identity.institution}\n"
        (folder / f"{identity.patient_id}_export.txt").write_text(text)


def _encoding(handling: Handling) -> Encoding:
    return Encoding(
        signed=handling.storage.startswith("signed"),
        intercept=-1024 if handling.storage.endswith("-1024") else 0,
        syntax=handling.syntax,
    )


def _common(identity: Identity, case: str) -> pydicom.Dataset:
    """Patient, study and equipment: the same in every file of a case, all of it invented."""
    dataset = pydicom.Dataset()
    date = identity.study_date(case)
    dataset.SpecificCharacterSet = "ISO_IR 100"
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


def _axial(identity: Identity, case: str) -> pydicom.Dataset:
    """What all slices of the CT say."""
    dataset = _common(identity, case)
    dataset.SeriesDescription = "Thorax axial"
    dataset.SeriesNumber = 2
    dataset.SeriesInstanceUID = identity.uid(case, "series")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.ConvolutionKernel = "STANDARD"
    return dataset


def _scout(image: Volume, identity: Identity, case: str, encoding: Encoding) -> pydicom.Dataset:
    """A frontal overview as scanners take it first: no slice, and marked as a localizer."""
    dataset = _common(identity, case)
    dataset.SOPClassUID = CTImageStorage
    dataset.SeriesDescription = "Scout"
    dataset.SeriesNumber = 1
    dataset.SeriesInstanceUID = identity.uid(case, "scout series")
    dataset.SOPInstanceUID = identity.uid(case, "scout")
    dataset.InstanceNumber = 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    dataset.SliceThickness = "400"
    dataset.PixelSpacing = [decimal(image.grid.spacing_mm[0]), decimal(image.grid.spacing_mm[2])]
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "0", "-1"]
    dataset.ImagePositionPatient = [decimal(v) for v in image.grid.corners_mm().max(axis=0)]
    writing.set_pixels(dataset, np.clip(image.array.mean(axis=1)[::-1], *HU_RANGE), encoding)
    return dataset
