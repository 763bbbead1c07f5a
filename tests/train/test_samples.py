"""Patches: centred on what is known, every case alike, and mirrored with its names."""

from pathlib import Path

import numpy as np
import pytest
from tubes import GRID, PLACE, lay_out, parameters

from lacaf import fault, volume
from lacaf.classes import CLASSES
from lacaf.model.inputs import CHANNELS
from lacaf.train.augment import augment, mirror
from lacaf.train.samples import Sampler, counts, load

REPOSITORY = Path(__file__).parents[2]
SIDE = CHANNELS.index("side")


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    splits = dict.fromkeys(("full", "left", "right"), "train")
    lay_out(data, splits, {"left": 1, "right": 2})
    settings = parameters(REPOSITORY).train
    return {c: load(c, data, settings, np.random.default_rng(0)) for c in splits}


def drawn(samples, size=(8, 8, 8), n=60):
    sampler = Sampler(list(samples), np.random.default_rng(0))
    return [sampler.draw(size) for _ in range(n)]


def test_a_full_case_is_valid_everywhere(samples):
    targets, valid = samples["full"].truth()
    assert valid.all()
    assert targets.any((1, 2, 3)).all()


def test_a_half_labelled_case_keeps_its_unknown_lung_out(samples):
    targets, valid = samples["left"].truth()
    right_vein = CLASSES.index("right_vein")
    tube = (slice(None), slice(None), slice(PLACE[4], PLACE[4] + 3))
    assert not targets[right_vein].any()
    assert not valid[right_vein][tube].any()
    assert not (targets & ~valid).any()


def test_patches_have_the_size_and_the_content_of_their_place(samples):
    sample = samples["full"]
    whole = sample.input.channels()
    for channels, targets, valid in drawn([sample], (8, 10, 12), 5):
        assert channels.shape == (len(CHANNELS), 8, 10, 12)
        assert targets.shape == valid.shape == (4, 8, 10, 12)
        height = np.flatnonzero(whole[3, :, 0, 0] == channels[3, 0, 0, 0])
        assert len(height)


def test_most_patches_of_a_half_labelled_case_hold_a_labelled_vessel(samples):
    hits = [targets.any() for _, targets, _ in drawn([samples["left"]])]
    assert np.mean(hits) > 0.75


def test_every_patch_holds_something_known(samples):
    assert all(valid.any() for _, _, valid in drawn(samples.values()))


def test_cases_take_turns_whatever_they_know(samples):
    sampler = Sampler(list(samples.values()), np.random.default_rng(0))
    owners = []
    for _ in range(30):
        sampler.draw((8, 8, 8))
        owners.append(len(sampler._queue))
    assert owners == [2, 1, 0] * 10


def test_a_patch_larger_than_the_volume_is_padded_as_unknown(samples):
    size = tuple(n + 6 for n in GRID.shape)
    channels, targets, valid = drawn([samples["full"]], size, 1)[0]
    assert channels.shape[1:] == targets.shape[1:] == size
    assert valid[0].sum() == np.prod(GRID.shape)
    assert valid[0, 3:-3, 3:-3, 3:-3].all()


def test_a_mirrored_patch_is_the_mirrored_patient(samples):
    channels, targets, valid = samples["left"].input.channels(), *samples["left"].truth()
    seen, names, known = mirror((channels, targets, valid))
    assert np.array_equal(seen[0], channels[0, ..., ::-1])
    assert np.array_equal(seen[SIDE], -channels[SIDE, ..., ::-1])
    for old, new in ((0, 2), (1, 3), (2, 0), (3, 1)):
        assert np.array_equal(names[new], targets[old, ..., ::-1])
        assert np.array_equal(known[new], valid[old, ..., ::-1])
    twice = mirror((seen, names, known))
    assert all(np.array_equal(a, b) for a, b in zip(twice, (channels, targets, valid), strict=True))


def test_the_class_of_a_voxel_stays_on_its_side_when_mirrored(samples):
    patch = samples["full"].input.channels(), *samples["full"].truth()
    for channels, targets, _ in (patch, mirror(patch)):
        assert (channels[SIDE][targets[0] | targets[1]] > 0).all()
        assert (channels[SIDE][targets[2] | targets[3]] < 0).all()


def test_augmentation_changes_looks_and_nothing_else(samples):
    patch = samples["full"].input.channels(), *samples["full"].truth()
    before = [a.copy() for a in patch]
    seen, targets, _ = augment(patch, np.random.default_rng(1))
    assert all(np.array_equal(a, b) for a, b in zip(patch, before, strict=True))
    assert not np.array_equal(seen[0], patch[0][0])
    assert sorted(targets.sum((1, 2, 3))) == sorted(patch[1].sum((1, 2, 3)))
    vessel = targets.any(0)
    assert seen[0][vessel].mean() > seen[0][~vessel].mean() + 0.2


def test_coverage_is_counted(samples):
    assert counts(list(samples.values()))["left_vein"] == {
        "labelled": 2, "absent": 0, "unknown": 1,
    }  # fmt: skip


def test_volumes_on_different_grids_are_refused(tmp_path):
    lay_out(tmp_path, {"one": "train"})
    moved = volume.Grid.upright(GRID.shape, 4.0, (0.0, 0.0, 0.0))
    labels = volume.Volume(np.zeros(GRID.shape, np.uint8), moved)
    volume.write(labels, tmp_path / "harmonize" / "one" / "labels_working.nii.gz")
    with pytest.raises(ValueError, match=r"case one.*grids"):
        load("one", tmp_path, parameters(REPOSITORY).train, np.random.default_rng(0))


def test_a_stage_that_has_not_run_is_named(tmp_path):
    with pytest.raises(fault.Missing, match="coverage"):
        load("nobody", tmp_path, parameters(REPOSITORY).train, np.random.default_rng(0))
