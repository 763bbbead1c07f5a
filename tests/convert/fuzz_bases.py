"""Sound sources of many kinds, small, all of one thorax: what the fuzzer spoils."""

import io
import json
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from convert.enhanced import enhanced, save
from phantom.simple import simple
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from lacaf import volume
from lacaf.grid import Grid
from lacaf.phantom.dicom import write_series
from lacaf.phantom.handling import Handling
from lacaf.phantom.identity import fake_identity
from lacaf.volume import Volume

SHAPE, SPACING = (7, 36, 40), (2.2, 2.0, 9.0)  # JPEG 2000 wants 32 pixels at least
IDENTITY = fake_identity("patient1")
#: What no record may say, also where it was not spoilt.
SECRETS = (
    str(IDENTITY.name).split("^", maxsplit=1)[0], IDENTITY.patient_id, IDENTITY.institution,
    IDENTITY.birth_date, IDENTITY.uid("case1", "series"),
)  # fmt: skip
#: DICOM comes first in every round: it is what the world sends.
DICOM = {
    "explicit": {"storage": "signed 0"},
    "implicit": {"syntax": "implicit"},
    "JPEG-LS": {"syntax": "jpeg-ls"},
    "turned": {"swap": True, "turn_degrees": (4.0, -3.0, 6.0), "storage": "signed -1024"},
}
REPACKED = {
    "big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "RLE": RLELossless,
    "JPEG 2000": JPEG2000Lossless,
}
ENHANCED = {"enhanced": ExplicitVRLittleEndian, "enhanced JPEG-LS": JPEGLSLossless}
FILES = ("ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha", "ct.npz")
BASES = (*DICOM, *REPACKED, *ENHANCED, "zip", "tar.gz", *FILES)


@cache
def thorax():
    """The thorax, and the only truth."""
    return simple(SHAPE, SPACING).image


@cache
def bases():
    """Every base by name: its files (name to content), and which of them is the source."""
    found = {name: (series(**way), ".") for name, way in DICOM.items()}
    plain = found["explicit"][0]
    found |= {name: (repacked(plain, syntax), ".") for name, syntax in REPACKED.items()}
    found |= {name: (as_one(plain, syntax), ".") for name, syntax in ENHANCED.items()}
    found["zip"] = ({"ct.zip": zipped(plain)}, "ct.zip")
    found["tar.gz"] = ({"ct.tar.gz": tarred(plain)}, "ct.tar.gz")
    return found | {name: (volume_file(name), ".") for name in FILES}


def series(**way):
    """The thorax as a DICOM series: name to content, from the feet up."""
    with tempfile.TemporaryDirectory() as folder:
        from lacaf.phantom.handling import lay

        handling = Handling(**way)
        image = lay(thorax(), handling)
        write_series(image, IDENTITY, "case1", handling, Path(folder), np.random.default_rng(0))
        files = sorted(Path(folder).iterdir())
        return {path.name: path.read_bytes() for path in files}


def written(dataset, syntax):
    with tempfile.TemporaryDirectory() as folder:
        save(dataset, Path(folder) / "a", syntax)
        return (Path(folder) / "a").read_bytes()


def repacked(plain, syntax):
    """The same slices in another transfer syntax."""
    return {
        name: written(pydicom.dcmread(io.BytesIO(content)), syntax)
        for name, content in plain.items()
    }


def as_one(plain, syntax):
    """The same slices in one enhanced file."""
    slices = [pydicom.dcmread(io.BytesIO(content)) for content in plain.values()]
    return {"enhanced": written(enhanced(slices), syntax)}


def zipped(files):
    """The files as a zip."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, inside in files.items():
            archive.writestr(f"{IDENTITY.patient_id}/{name}", inside)
    return content.getvalue()


def tarred(files):
    """The files as a tar.gz."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, inside in files.items():
            member = tarfile.TarInfo(f"{IDENTITY.patient_id}/{name}")
            member.size = len(inside)
            archive.addfile(member, io.BytesIO(inside))
    return content.getvalue()


def volume_file(name):
    """The thorax as a volume file; beside a bare array, what declares its geometry."""
    image = thorax()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        if ".nii" in name:
            volume.write(image, path)
        elif name.endswith(".npz"):
            np.savez_compressed(path, data=image.array)
            text = json.dumps({"axes": "SPL", "spacing_mm": list(image.grid.spacing_mm)})
            return {name: path.read_bytes(), "geometry.json": text.encode()}
        else:
            written = sitk.GetImageFromArray(image.array)
            written.SetSpacing(list(SPACING))
            written.SetOrigin(image.grid.affine[:3, 3].tolist())
            sitk.WriteImage(written, str(path), useCompression=True)
        return {name: path.read_bytes()}


def truth_of(base):
    """What the base converts to: a bare array lies at the origin."""
    from lacaf.phantom.handling import lay

    image = lay(thorax(), Handling(**DICOM.get(base, {})))
    if base != "ct.npz":
        return image
    affine = image.grid.affine.copy()
    affine[:3, 3] = 0
    return Volume(image.array, Grid(image.grid.shape, affine))
