"""What a class is learnt from: each supervision, from the same facts."""

import numpy as np
import pytest
import torch

from lacaf import facts
from lacaf.classes import CLASSES, TABLE, UNKNOWN, mirrored
from lacaf.coverage import deep_in_lung, targets_and_validity
from lacaf.fault import Fault
from lacaf.grid import Grid
from lacaf.model.losses import partial_label_loss
from lacaf.model.supervision import SUPERVISIONS

GRID = Grid.upright((6, 14, 24), 4.0, (0.0, 0.0, 0.0))
STATES = ("labelled", "absent", "unknown")
RIGHT = CLASSES.index("right_artery")


def random_case(seed):
    """Labels, lungs and coverage in which everything occurs, contradictions too."""
    rng = np.random.default_rng(seed)
    lungs = np.zeros(GRID.shape, np.uint8)
    lungs[:, :, 1:11], lungs[:, :, 13:23] = 2, 1
    labels = rng.choice([0, 1, 2, 3, 4, UNKNOWN], GRID.shape).astype(np.uint8)
    coverage = {name: STATES[rng.integers(3)] for name in CLASSES}
    return labels, lungs, coverage


def given(labels, lungs, coverage):
    """What a supervision is given, a batch of one."""
    packed = facts.packed(labels, deep_in_lung(lungs, GRID), labels == 1)
    byte = torch.from_numpy(packed)[None]
    covered = torch.tensor([[coverage[name] != "unknown" for name in CLASSES]])
    return facts.label_of(byte), facts.deep_of(byte), covered


def half_labelled():
    """The left lung drawn: of the right lung and its classes nobody said anything."""
    labels, lungs, _ = random_case(0)
    labels = np.where(np.isin(labels, (1, 2)), labels, 0).astype(np.uint8)
    labels[:, :, :12] = UNKNOWN
    states = {row.name: "labelled" if row.side == "left" else "unknown" for row in TABLE}
    return given(labels, lungs, states), lungs


@pytest.mark.parametrize("seed", range(12))
def test_side_is_the_rule_of_the_coverage(seed):
    labels, lungs, coverage = random_case(seed)
    found = SUPERVISIONS["side"].of(*given(labels, lungs, coverage))
    for here, there in zip(found, targets_and_validity(labels, lungs, GRID, coverage), strict=True):
        assert np.array_equal(here[0].numpy(), there)


@pytest.mark.parametrize("name", SUPERVISIONS)
@pytest.mark.parametrize("seed", range(4))
def test_a_mirrored_case_has_mirrored_classes_and_validity(name, seed):
    labels, lungs, coverage = random_case(seed)
    packed = facts.packed(labels, deep_in_lung(lungs, GRID), labels == 1)
    covered = np.array([[coverage[c] != "unknown" for c in CLASSES]])
    found = []
    for byte, of in (
        (packed, covered),
        (facts.mirrored()[packed][..., ::-1].copy(), covered[:, mirrored()]),
    ):
        byte = torch.from_numpy(byte)[None]
        own = facts.label_of(byte), facts.deep_of(byte), torch.from_numpy(of)
        found.append(SUPERVISIONS[name].of(*own))
    for before, after in zip(*found, strict=True):
        assert torch.equal(after, before[:, mirrored()].flip(-1))


@pytest.mark.parametrize("name", SUPERVISIONS)
def test_no_marker_leaks_into_the_targets(name):
    targets, valid = SUPERVISIONS[name].of(*given(*random_case(1)))
    assert not (targets & ~valid).any()
    assert (targets.sum(1) <= 1).all()


def test_masked_knows_nothing_of_the_lung_that_nobody_drew():
    (label, deep, covered), _ = half_labelled()
    _, valid = SUPERVISIONS["masked"].of(label, deep, covered)
    assert not valid[..., :12].any()
    assert valid[:, :2, ..., 12:].all()


def test_side_knows_that_no_left_vessel_is_deep_in_the_right_lung():
    (label, deep, covered), lungs = half_labelled()
    targets, valid = SUPERVISIONS["side"].of(label, deep, covered)
    assert torch.equal(valid[0, 0, ..., :12], deep[0, ..., :12] == 2)
    assert not valid[:, RIGHT, ..., :12].any()
    assert not targets[..., :12].any()
    assert (deep == 2).any()
    assert (lungs == 2).sum() > (deep == 2).sum()


def test_only_as_background_punishes_a_right_answer_in_the_lung_that_nobody_drew():
    case, lungs = half_labelled()
    there = torch.full((1, len(CLASSES), *GRID.shape), -9.0)
    vessel = there.clone()
    vessel[:, RIGHT][torch.from_numpy(lungs == 2)[None]] = 9.0
    for name, row in SUPERVISIONS.items():
        silent, right = (partial_label_loss(x, *row.of(*case)) for x in (there, vessel))
        assert (right > silent + 0.5) == (name == "as_background"), name
        assert (right == silent) == (name != "as_background"), name


def test_a_byte_holds_all_that_it_is_given():
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 3, 4, UNKNOWN], GRID.shape).astype(np.uint8)
    deep = rng.integers(0, 3, GRID.shape).astype(np.uint8)
    line = rng.random(GRID.shape) > 0.5
    packed = facts.packed(labels, deep, line)
    assert packed.dtype == np.uint8
    assert np.array_equal(
        facts.label_of(packed), np.where(labels == UNKNOWN, facts.UNKNOWN_LABEL, labels)
    )
    assert np.array_equal(facts.deep_of(packed), deep)
    assert np.array_equal(facts.skeleton_of(packed), line)
    assert np.array_equal(facts.mirrored()[facts.mirrored()], np.arange(256))


def test_more_classes_than_a_byte_has_room_for_are_refused(monkeypatch):
    monkeypatch.setattr(facts, "TABLE", TABLE * 8)
    nothing = np.zeros((1, 1, 1), np.uint8)
    with pytest.raises(Fault, match=r"32 classes.*room for 30"):
        facts.packed(nothing, nothing, nothing > 0)


@pytest.mark.parametrize("name", SUPERVISIONS)
def test_beyond_the_image_nothing_is_learnt(name):
    beyond = torch.full((1, 2, 2, 2), facts.BEYOND, dtype=torch.uint8)
    covered = torch.ones(1, len(CLASSES), dtype=torch.bool)
    targets, valid = SUPERVISIONS[name].of(facts.label_of(beyond), facts.deep_of(beyond), covered)
    assert not targets.any()
    assert not valid.any()
    assert facts.mirrored()[facts.BEYOND] == facts.BEYOND
