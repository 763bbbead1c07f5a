"""Inference: from the model's folder alone, back onto the CT's own grid."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from trainings import run as run_training
from tubes import GRID, case_arrays, lay_out, parameters

from lacaf import fault, files, volume
from lacaf.classes import CLASSES
from lacaf.grid import Grid
from lacaf.infer import ModelError, infer, load
from lacaf.infer.stage import side_prior, to_original
from lacaf.volume import Volume

#: A CT's grid, twice as fine in the plane, x and z running the other way, larger than the crop.
ORIGINAL = Grid(
    (30, 50, 70),
    np.array([[-2.0, 0, 0, 72], [0, 2, 0, -50], [0, 0, -4, 50], [0, 0, 0, 1]]),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of tubes that has learnt them."""
    folder = tmp_path_factory.mktemp("trained")
    cases = lay_out(folder / "data", {"a": "train", "b": "train", "c": "val"})
    run_training((folder, cases), steps=400, validate_every=100)
    shutil.rmtree(folder / "data" / "embed")
    return folder / "model"


@pytest.fixture
def case(tmp_path):
    """An unseen case: its converted and cropped folders, and its truth on the CT's grid."""
    image, lungs, labels = case_arrays(np.random.default_rng(99))
    for name in ("converted", "cropped", "out"):
        (tmp_path / name).mkdir()
    volume.write(Volume(image, GRID), tmp_path / "cropped" / "image.nii.gz")
    volume.write(Volume(lungs, GRID), tmp_path / "cropped" / "lungs.nii.gz")
    original = volume.resample(Volume(image, GRID), ORIGINAL, "nearest", fill=-1000)
    volume.write(original, tmp_path / "converted" / "image.nii.gz")
    truth = volume.resample(Volume(labels, GRID), ORIGINAL, "nearest").array
    return tmp_path, truth


def run(model, folder, **changes):
    settings = parameters().infer.model_copy(update=changes)
    return infer(model, folder / "converted", folder / "cropped", folder / "out", settings, "cpu")


def test_labels_come_back_on_the_original_grid(trained, case):
    folder, truth = case
    run(trained, folder)
    labels = volume.read(folder / "out" / "labels.nii.gz")
    assert labels.grid.same_as(ORIGINAL)
    assert labels.array.dtype == np.uint8
    for value in range(1, 5):
        found, true = labels.array == value, truth == value
        assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.6


def test_the_record_tells_what_was_found_with_what(trained, case):
    folder, _ = case
    details = run(trained, folder)
    json.dumps(details)
    labels = volume.read(folder / "out" / "labels.nii.gz")
    for value, name in enumerate(CLASSES, start=1):
        expected = (labels.array == value).sum() * ORIGINAL.voxel_ml
        assert details["ml"][name] == pytest.approx(expected, abs=1e-3)
    assert details["device"].startswith("cpu")
    assert details["seconds"] > 0
    assert details["model"]["experiment"] == "guided"
    assert details["mlflow_run_id"] == "run-of-the-test"
    assert str(folder) not in json.dumps(details)


def test_probabilities_are_written_only_when_asked_for(trained, case):
    folder, _ = case
    run(trained, folder)
    assert [f.name for f in (folder / "out").iterdir()] == ["labels.nii.gz"]
    details = run(trained, folder, save_probabilities=True)
    labels = volume.read(folder / "out" / "labels.nii.gz").array
    chance = volume.read(folder / "out" / "probability_right_vein.nii.gz")
    assert chance.grid.same_as(ORIGINAL)
    assert chance.array[labels == 4].min() >= np.floor(255 * details["threshold"])


def test_a_loaded_network_gives_the_same_logits_every_time(trained):
    patch = torch.rand(1, 5, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        one, two = (load(trained, "cpu").network(patch) for _ in range(2))
    assert torch.equal(one, two)


def test_another_working_grid_is_refused(trained, case):
    folder, _ = case
    for name in ("image", "lungs"):
        path = folder / "cropped" / f"{name}.nii.gz"
        array = volume.read(path).array
        volume.write(Volume(array, Grid.upright(array.shape, 3.0)), path)
    with pytest.raises(fault.Refusal, match=r"3 x 3 x 3 mm.*4 mm.*crop\.spacing_mm"):
        run(trained, folder)


def test_a_missing_lung_is_refused(trained, case):
    folder, _ = case
    path = folder / "cropped" / "lungs.nii.gz"
    lungs = volume.read(path)
    volume.write(Volume(np.minimum(lungs.array, 1), lungs.grid), path)
    with pytest.raises(fault.Refusal, match="both lungs"):
        run(trained, folder)


@pytest.mark.parametrize("damage", ["model.json", "model.pt"])
def test_a_damaged_model_is_refused(trained, tmp_path, damage):
    copy = tmp_path / "model"
    shutil.copytree(trained, copy)
    (copy / damage).write_bytes(b"{")
    with pytest.raises(ModelError):
        load(copy)
    (copy / damage).unlink()
    with pytest.raises(ModelError):
        load(copy)


def test_a_model_of_other_classes_is_refused(trained, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(trained, copy)
    about = json.loads((copy / "model.json").read_text())
    files.write_json(copy / "model.json", about | {"classes": ["artery", "vein"]})
    with pytest.raises(ModelError, match="artery"):
        load(copy)


def renamed(weights, about):
    weights["start"] = weights.pop(next(iter(weights)))


def older(weights, about):
    del about["revision"]  # as it was before there were any: the same names, another function


@pytest.mark.parametrize("change", [renamed, older])
def test_a_network_that_was_built_otherwise_is_refused(trained, tmp_path, change):
    copy = tmp_path / "model"
    shutil.copytree(trained, copy)
    weights = torch.load(copy / "model.pt", weights_only=True)
    about = files.read_json(copy / "model.json")
    change(weights, about)
    torch.save(weights, copy / "model.pt")
    about["weights_sha256"] = hashlib.sha256((copy / "model.pt").read_bytes()).hexdigest()
    files.write_json(copy / "model.json", about)
    with pytest.raises(ModelError, match=r"`lacaf` as lacaf .* built it; .*train again"):
        load(copy)


def test_no_vessel_of_one_side_deep_in_the_other_lung():
    lungs = np.zeros((20, 20, 40), np.uint8)
    lungs[:, :, 21:], lungs[:, :, :19] = 1, 2
    grid = Grid.upright(lungs.shape, 4.0)
    chance = side_prior(np.ones((4, *lungs.shape), np.float32), lungs, grid)
    left, right = chance[:2, 10, 10], chance[2:, 10, 10]
    assert (left[:, 21:] == 1).all()  # at home
    assert (right[:, :19] == 1).all()
    assert (left[:, 5:16] == 0).all()  # deep in the right lung
    assert (right[:, 24:35] == 0).all()
    assert (chance[:, 10, 10, 17:23] == 1).all()  # near the midline all is possible


def test_labels_are_decided_after_interpolation():
    """Half-way between certain and impossible the border lies half-way, on the finer grid."""
    chance = np.zeros((4, 5, 5, 5), np.float32)
    chance[1, :, :, 3:] = 1.0
    working = Grid.upright((5, 5, 5), 4.0)
    fine = Grid.upright((5, 5, 20), (1.0, 4.0, 4.0), (-1.5, 0.0, 0.0))
    labels, threshold = to_original(chance, working, fine)
    assert labels[2, 2].tolist() == [0] * 12 + [2] * 8
    assert threshold <= 0.5


def test_a_vessel_of_one_voxel_keeps_its_volume_between_the_voxels():
    """Where two voxels share a vessel neither has half of it but for the noise."""
    chance = np.zeros((4, 9, 9, 9), np.float32)
    chance[0, 4, 4, 1:8] = 0.9
    working = Grid.upright((9, 9, 9), 2.0)
    between = Grid.upright((9, 9, 9), 2.0, (0.0, 0.0, 1.1))
    labels, threshold = to_original(chance, working, between)
    assert (labels == 1).sum() == 7
    assert 0.3 <= threshold < 0.5


def test_a_doubtful_vessel_is_not_made_up_to_keep_a_volume():
    chance = np.zeros((4, 9, 9, 9), np.float32)
    chance[0, 4, 4, 1:8] = 0.55
    between = Grid.upright((9, 9, 9), 2.0, (0.0, 0.0, 1.0))
    labels, threshold = to_original(chance, Grid.upright((9, 9, 9), 2.0), between)
    assert threshold == 0.3
    assert not labels.any()  # 0.275 at best


def test_the_more_probable_class_wins_and_none_below_one_half():
    chance = np.zeros((4, 2, 2, 2), np.float32)
    chance[0, 0], chance[3, 0] = 0.6, 0.7
    chance[2, 1] = 0.5
    grid = Grid.upright((2, 2, 2), 1.0)
    labels, _ = to_original(chance, grid, grid)
    assert (labels[0] == 4).all()
    assert (labels[1] == 0).all()


def test_models_that_learnt_so_see_the_mirror_image_too(trained, case, tmp_path):
    folder, _ = case
    both, one = run(trained, folder), run(trained, folder, mirror=False)
    assert both["mirrored"]
    assert not one["mirrored"]
    assert both["ml"] != one["ml"]
    never = shutil.copytree(trained, tmp_path / "never")
    about = json.loads((never / "model.json").read_text())
    about["params"]["augment"]["mirror"] = 0.0
    files.write_json(never / "model.json", about)
    assert not run(never, folder)["mirrored"]
