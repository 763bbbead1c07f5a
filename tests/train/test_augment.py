"""Augmentation: another patient, another scanner, the same anatomy with the same names."""

import numpy as np
import pytest
import torch
from tubes import GRID, case_arrays

from lacaf import facts
from lacaf.classes import CLASSES
from lacaf.model.inputs import IMAGES, channels, network_input
from lacaf.model.supervision import side
from lacaf.params.train import Augment
from lacaf.train.augment import _rotation, augment, draw, geometry, shown

HU_WINDOW, WINDOW = (-1000.0, 400.0), (0.0, 450.0)
NEVER = dict.fromkeys(Augment.model_fields, 0.0)
SCANNED = ("noise", "blur", "low_resolution")
SHOWN = ("brightness", "contrast", "gamma")


def batch(copies=1):
    """Tubes whose left lung was drawn, but for the upper half of it; deep in the right one."""
    image, lungs, labels = case_arrays(np.random.default_rng(0))
    cut = network_input(image, lungs, GRID).cut()
    fields = {k: torch.from_numpy(v.copy())[None] for k, v in cut._asdict().items()}
    labels[12:] = 255
    deep = np.zeros_like(labels)
    deep[8:16, 6:14, 5:12] = 2
    fields |= known(labels, deep)
    return {k: v.repeat(copies, *[1] * (v.ndim - 1)) for k, v in fields.items()}


def known(labels, deep=None, covered=(True, True, True, False)):
    """What is known of a patch, as it is handed over; of right veins little is."""
    deep = np.zeros_like(labels) if deep is None else deep
    packed = facts.packed(labels, deep, labels == 1)
    return {"facts": torch.from_numpy(packed)[None], "covered": torch.tensor([covered])}


def labels(fields):
    """Targets and validity of a batch."""
    label, deep = facts.label_of(fields["facts"]), facts.deep_of(fields["facts"])
    return dict(zip(("targets", "valid"), side(label, deep, fields["covered"]), strict=True))


def changes(seed=0, **chances):
    drawn = draw(Augment(**{**NEVER, **chances}), np.random.default_rng(seed))
    return {k: torch.as_tensor(np.asarray(v))[None] for k, v in drawn.items()}


def test_where_nothing_happens_nothing_changes():
    before = batch()
    after = augment(before, changes(), WINDOW)
    assert torch.allclose(after["hu"], before["hu"].float(), atol=1e-3)
    for name in ("side", "height", "depth", "facts", "covered"):
        assert torch.equal(after[name], before[name])


def test_a_mirrored_patch_is_the_mirrored_patient():
    before = batch()
    after = augment(before, changes(mirror=1.0), WINDOW)
    assert torch.allclose(after["hu"], before["hu"].flip(-1).float(), atol=1e-3)
    assert torch.equal(after["side"], -before["side"].flip(-1))
    for old, new in ((0, 2), (1, 3), (2, 0), (3, 1)):
        for name in ("targets", "valid"):
            there = labels(before)[name][:, old].flip(-1)
            assert torch.equal(labels(after)[name][:, new], there)
    assert labels(before)["valid"].float().mean((0, 2, 3, 4)).unique().numel() == 3
    there = facts.skeleton_of(before["facts"]).flip(-1)
    assert torch.equal(facts.skeleton_of(after["facts"]), there)
    again = augment(after, changes(mirror=1.0), WINDOW)
    assert all(torch.equal(again[name], before[name]) for name in ("facts", "covered"))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("chances", [{"mirror": 1.0}, {"rotate": 1.0, "scale": 1.0, "mirror": 0.5}])
def test_a_class_stays_on_its_side_and_bright_stays_artery(chances, seed):
    after = augment(batch(), changes(seed, **chances), WINDOW)
    side, targets = after["side"][0], labels(after)["targets"][0]
    for index, name in enumerate(CLASSES):
        if targets[index].any():
            mean = side[targets[index]].float().mean()
            assert (mean > 0) == name.startswith("left")
            bright = after["hu"][0][targets[index]].quantile(0.95) > 280
            assert bright == name.endswith("artery")


def test_a_quarter_turn_goes_where_it_should():
    """About the z axis, what lay at +x comes to lie along y."""
    quarter = changes()
    quarter["turn"] = torch.as_tensor(_rotation(np.array([np.pi / 2, 0, 0])))[None]
    marked = torch.zeros(1, 9, 9, 9)
    marked[0, 4, 4, 7] = 700.0
    fields = {
        "hu": marked, "side": torch.zeros(1, 9, 9, 9),
        "height": torch.linspace(-1, 1, 9)[None], "depth": torch.linspace(-1, 1, 9)[None],
        **known((marked[0] > 0).numpy().astype(np.uint8)),
    }  # fmt: skip
    after = augment(fields, quarter, WINDOW)
    where = (after["hu"][0] > 350).nonzero().tolist()
    assert where in ([[4, 7, 4]], [[4, 1, 4]])
    assert labels(after)["targets"][0, 0].nonzero().tolist() == where
    assert after["height"].shape == (1, 9, 9, 9)
    assert torch.allclose(after["height"][0, :, 4, 4], torch.linspace(-1, 1, 9), atol=1e-5)


@pytest.mark.parametrize("voxels", [1, 3 * 24 * 20, 2**18])
def test_a_turned_image_is_read_between_its_voxels(monkeypatch, voxels):
    """A ramp is a ramp between its voxels too, however large the slabs are."""
    monkeypatch.setattr("lacaf.train.augment.SLAB", voxels)
    drawn = changes(5, rotate=1.0, scale=1.0)
    shape, slope = (16, 24, 20), torch.tensor([7.0, -3.0, 5.0])
    axes = (torch.arange(n) - (n - 1) / 2 for n in shape)
    offset = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    fields = {
        "hu": (offset @ slope)[None], "side": (offset @ -slope)[None].half(),
        "height": torch.linspace(-1, 1, shape[0])[None],
        "depth": torch.linspace(-1, 1, shape[1])[None],
        **known(np.zeros(shape, np.uint8)),
    }  # fmt: skip
    after = augment(fields, drawn, WINDOW)
    source = offset @ drawn["turn"][0].T
    inside = (source.abs() <= (torch.tensor(shape) - 1) / 2).all(-1)
    assert 0.3 < inside.float().mean() < 1
    wanted = source @ slope
    assert torch.allclose(after["hu"][0][inside], wanted[inside], atol=1e-3)
    assert torch.allclose(after["side"][0][inside], -wanted[inside], atol=0.1)  # half precision
    for axis, name in enumerate(("height", "depth")):
        place = (source[..., axis] * 2 / (shape[axis] - 1)).clamp(-1, 1)
        assert torch.allclose(after[name][0], place, atol=1e-5)
    nearest = (source.abs() <= torch.tensor(shape) / 2 - 1e-3).all(-1)
    assert labels(after)["valid"][0, 0][nearest].all()


def test_beyond_the_edge_of_a_turned_patch_nothing_is_known():
    turned = changes(3, rotate=1.0)
    after = labels(augment(batch(), turned, WINDOW))
    assert not after["valid"][0, 0].all()
    assert after["valid"][0, 0, 4:10, 8:12, 12:20].all()
    assert not (after["targets"] & ~after["valid"]).any()


@pytest.mark.parametrize("name", SCANNED)
def test_each_change_of_the_scanner_changes_the_image_and_nothing_else(name):
    before = batch()
    after = augment(before, changes(1, **{name: 1.0}), WINDOW)
    assert not torch.allclose(after["hu"], before["hu"].float(), atol=1.0)
    for other in ("side", "height", "depth", "facts", "covered"):
        assert torch.equal(after[other], before[other])
    vessel = labels(before)["targets"][0].any(0)
    assert after["hu"][0][vessel].mean() > after["hu"][0][~vessel].mean() + 200


@pytest.mark.parametrize("name", SHOWN)
def test_how_a_scan_is_shown_changes_both_windows_and_no_place(name):
    fields = {k: v for k, v in batch().items() if k not in ("facts", "covered")}
    before = channels(**fields, hu_window=HU_WINDOW, blood_window=WINDOW)
    after = shown(before.clone(), changes(1, **{name: 1.0}))
    for window in IMAGES:
        assert not torch.allclose(after[0, window], before[0, window], atol=0.01)
        assert after[0, window].min() >= -1e-6
        assert after[0, window].max() <= 1 + 1e-6
        order = before[0, window].flatten().argsort()
        assert (after[0, window].flatten()[order].diff() >= -1e-6).all()  # brighter stays brighter
    assert torch.equal(after[:, 2:], before[:, 2:])
    assert torch.equal(shown(before.clone(), changes()), before)


def test_each_patch_of_a_batch_is_changed_by_its_own_draw():
    two = {
        k: torch.cat([a, b])
        for (k, a), b in zip(changes(1).items(), changes(1, mirror=1.0).values(), strict=True)
    }
    after = augment(batch(2), two, WINDOW)
    assert torch.allclose(after["hu"][1], after["hu"][0].flip(-1))
    assert torch.equal(after["side"][1], -after["side"][0].flip(-1))


def test_noise_follows_from_the_draw():
    once, again = (augment(batch(), changes(4, noise=1.0), WINDOW)["hu"] for _ in range(2))
    assert torch.equal(once, again)


def test_a_teacher_sees_the_same_place_in_an_unchanged_image():
    drawn = changes(3, **dict.fromkeys(("rotate", "mirror", *SCANNED, *SHOWN), 1.0))
    student, teacher = (augment(batch(), c, WINDOW) for c in (drawn, geometry(drawn)))
    for name in ("side", "height", "depth", "facts", "covered"):
        assert torch.equal(student[name], teacher[name])
    assert not torch.allclose(student["hu"], teacher["hu"], atol=1.0)
    assert torch.equal(
        teacher["hu"], augment(batch(), changes(3, rotate=1.0, mirror=1.0), WINDOW)["hu"]
    )
    picture = torch.rand(1, 5, 4, 4, 4)
    assert torch.equal(shown(picture.clone(), geometry(drawn)), picture)


def test_chances_are_kept():
    rng = np.random.default_rng(0)
    often = [draw(Augment(**{**NEVER, "blur": 0.3}), rng)["blur"] > 0 for _ in range(2000)]
    assert np.mean(often) == pytest.approx(0.3, abs=0.04)


def test_another_phase_is_drawn_and_made_and_no_teacher_sees_it():
    before = batch()
    before |= known(case_arrays(np.random.default_rng(0))[2])
    drawn = changes(phase=1.0)
    assert not torch.equal(augment(before, drawn, WINDOW)["hu"], before["hu"].float())
    assert torch.equal(augment(before, geometry(drawn), WINDOW)["hu"], before["hu"].float())
