"""Harmonize labels as the stage does: a thorax whose vessels are known by construction."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from thorax import WORKING, grid, hu_at, lungs_at, positions

import lacaf.harmonize
from lacaf import volume
from lacaf.cases import Case
from lacaf.params import whole as params
from lacaf.volume import Volume


@dataclass
class Desk:
    """Where labels are laid down and harmonized."""

    folder: Path
    configuration: params.Params

    def lay(self, labels, image_grid=None, hu=None):
        """Write the CT, the lungs and the labels, a Volume or one a meaning."""
        converted, cropped = self.folder / "convert", self.folder / "crop"
        for place in (converted, cropped, self.folder / "harmonize"):
            place.mkdir(exist_ok=True)
        image_grid = image_grid or grid()
        image = np.zeros(image_grid.shape, np.int16)
        volume.write(Volume(image, image_grid), converted / "image.nii.gz")
        place = positions(WORKING)
        working = hu_at(place) if hu is None else hu(place)
        volume.write(Volume(working.astype(np.int16), WORKING), cropped / "image.nii.gz")
        volume.write(Volume(lungs_at(place), WORKING), cropped / "lungs.nii.gz")
        files = labels if isinstance(labels, dict) else {"": labels}
        for meaning, part in files.items():
            name = f"labels_{meaning}" if meaning else "labels"
            volume.write(part, converted / f"{name}.nii.gz")

    def lay_patient(self, one, labels):
        """Write a synthetic patient's CT and lungs, and these labels."""
        for place in ("convert", "crop", "harmonize"):
            (self.folder / place).mkdir(exist_ok=True)
        volume.write(one.image, self.folder / "convert" / "image.nii.gz")
        volume.write(one.working, self.folder / "crop" / "image.nii.gz")
        volume.write(one.working_lungs, self.folder / "crop" / "lungs.nii.gz")
        volume.write(labels, self.folder / "convert" / "labels.nii.gz")

    def harmonize(self, coding="artery1_vein2", side="both", codings=None, **settings):
        """The record's details, the labels on the CT's and on the working grid."""
        case = Case("c1", "p1", Path("ct"), Path("labels"), coding, side, "train")
        section = self.configuration.harmonize.model_copy(update=settings)
        meant = {**self.configuration.all_codings(), **(codings or {})}[coding]
        out = self.folder / "harmonize"
        details = lacaf.harmonize.harmonize(
            case, section, meant, self.folder / "convert", self.folder / "crop", out
        )
        return SimpleNamespace(
            **details,
            labels=volume.read(out / "labels.nii.gz"),
            working=volume.read(out / "labels_working.nii.gz"),
        )


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path, params.load(Path(__file__).parents[2] / "params" / "demo.yaml"))
