"""Crop a volume as the stage does, in a folder of its own."""

from pathlib import Path

import pytest

import lacaf.crop
from lacaf import volume
from lacaf.params import whole as params


@pytest.fixture
def configuration():
    return params.load(Path(__file__).parents[2] / "params" / "demo.yaml")


@pytest.fixture
def cropped(tmp_path, configuration):
    """Crop a volume: the record's details, the working image and the lungs."""

    def run(image, masks=(), coding=None, **crop):
        settings = configuration.crop.model_copy(update=crop)
        meant = configuration.all_codings()[coding] if coding else None
        source, folder = tmp_path / "convert", tmp_path / "crop"
        for place in (source, folder):
            place.mkdir(exist_ok=True)
        volume.write(image, source / "image.nii.gz")
        details = lacaf.crop.crop(settings, meant, source, folder, masks)
        return details, volume.read(folder / "image.nii.gz"), volume.read(folder / "lungs.nii.gz")

    return run
