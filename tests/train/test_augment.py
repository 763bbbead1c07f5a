"""Augmentation: another patient, another scanner, the same anatomy with the same names."""

import numpy as np
import pytest
import torch
from tubes import GRID, case_arrays

from lacaf.classes import CLASSES
from lacaf.model.inputs import IMAGES, channels, network_input
from lacaf.params.train import Augment
from lacaf.train.augment import _rotation, augment, draw, shown
from lacaf.train.learner import unpacked

HU_WINDOW, WINDOW = (-1000.0, 400.0), (0.0, 450.0)
NEVER = dict.fromkeys(Augment.model_fields, 0.0)
SCANNED = ("noise", "blur", "low_resolution")
SHOWN = ("brightness", "contrast", "gamma")


def batch(copies=1):
    """Tubes with all classes known; the last class is not known in the upper half."""
    image, lungs, labels = case_arrays(np.random.default_rng(0))
    cut = network_input(image, lungs, GRID).cut()
    fields = {k: torch.from_numpy(v.copy())[None] for k, v in cut._asdict().items()}
    targets = np.stack([labels == value for value in range(1, len(CLASSES) + 1)])
    valid = np.ones_like(targets)
    valid[-1, 12:] = False
    fields["known"] = packed(targets & valid, valid)
    return {k: v.repeat(copies, *[1] * (v.ndim - 1)) for k, v in fields.items()}


def packed(targets, valid):
    """As stage prepare packs them."""
    planes = np.packbits(np.concatenate([targets, valid]), axis=0, bitorder="little")
    return torch.from_numpy(planes)[None]


def labels(fields):
    """Targets and validity of a batch."""
    return dict(zip(("targets", "valid"), unpacked(fields["known"]), strict=True))


def changes(seed=0, **chances):
    drawn = draw(Augment(**{**NEVER, **chances}), np.random.default_rng(seed))
    return {k: torch.as_tensor(np.asarray(v))[None] for k, v in drawn.items()}


def test_where_nothing_happens_nothing_changes():
    before = batch()
    after = augment(before, changes(), WINDOW)
    assert torch.allclose(after["hu"], before["hu"].float(), atol=1e-3)
    for name in ("side", "height", "depth", "known"):
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
    known = np.ones((len(CLASSES), 9, 9, 9), bool)
    fields = {
        "hu": marked, "side": torch.zeros(1, 9, 9, 9),
        "height": torch.linspace(-1, 1, 9)[None], "depth": torch.linspace(-1, 1, 9)[None],
        "known": packed((marked > 0).numpy() & known, known),
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
    known = np.ones((len(CLASSES), *shape), bool)
    fields = {
        "hu": (offset @ slope)[None], "side": (offset @ -slope)[None].half(),
        "height": torch.linspace(-1, 1, shape[0])[None],
        "depth": torch.linspace(-1, 1, shape[1])[None], "known": packed(known, known),
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
    assert after["valid"][0, 0, 8:16, 8:12, 12:20].all()
    assert not (after["targets"] & ~after["valid"]).any()


@pytest.mark.parametrize("name", SCANNED)
def test_each_change_of_the_scanner_changes_the_image_and_nothing_else(name):
    before = batch()
    after = augment(before, changes(1, **{name: 1.0}), WINDOW)
    assert not torch.allclose(after["hu"], before["hu"].float(), atol=1.0)
    for other in ("side", "height", "depth", "known"):
        assert torch.equal(after[other], before[other])
    vessel = labels(before)["targets"][0].any(0)
    assert after["hu"][0][vessel].mean() > after["hu"][0][~vessel].mean() + 200


@pytest.mark.parametrize("name", SHOWN)
def test_how_a_scan_is_shown_changes_both_windows_and_no_place(name):
    fields = {k: v for k, v in batch().items() if k != "known"}
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


def test_chances_are_kept():
    rng = np.random.default_rng(0)
    often = [draw(Augment(**{**NEVER, "blur": 0.3}), rng)["blur"] > 0 for _ in range(2000)]
    assert np.mean(often) == pytest.approx(0.3, abs=0.04)
