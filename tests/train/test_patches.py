"""Patches: centred on what is known, every case alike, and the same whoever reads them."""

import numpy as np
import pytest
import torch
from tubes import GRID, lay_out, parameters

from lacaf.facts import BEYOND, UNKNOWN_LABEL, deep_of, label_of
from lacaf.model.supervision import side
from lacaf.params.train import Early
from lacaf.train.failures import TrainingFailed
from lacaf.train.patches import Patches, Portions, loader, of_step, parts_of
from lacaf.train.prepared import read

SIZE = (8, 8, 8)


def recipe(**changes):
    return parameters().train.recipe("plain").model_copy(update=changes)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    splits = dict.fromkeys(("full", "left", "right"), "train")
    table = lay_out(data, splits, {"left": 1, "right": 2})
    return read(table.values(), "train", data)


def drawn(cases, size=SIZE, n=60, seed=0):
    patches = Patches(cases, recipe(), seed)
    return [patches[number, size] for number in range(n)]


def learnt(patch):
    """Targets and validity ``(K, z, y, x)`` of a patch."""
    facts, covered = (torch.from_numpy(patch[k])[None] for k in ("facts", "covered"))
    return [a[0] for a in side(label_of(facts), deep_of(facts), covered)]


def test_patches_have_the_size_that_is_asked_for(cases):
    for patch in drawn(cases, (8, 10, 12), 5):
        assert patch["hu"].shape == patch["side"].shape == (8, 10, 12)
        assert patch["facts"].shape == (8, 10, 12)
        assert (len(patch["height"]), len(patch["depth"])) == (8, 10)


def test_most_patches_of_a_half_labelled_case_hold_a_labelled_vessel(cases):
    left = [case for case in cases if case.case == "left"]
    hits = [learnt(patch)[0].any() for patch in drawn(left)]
    assert np.mean(hits) > 0.75


def test_every_patch_holds_something_known(cases):
    assert all(learnt(patch)[1].any() for patch in drawn(cases))


@pytest.mark.parametrize(("supervision", "more"), [("side", False), ("as_background", True)])
def test_the_unlabelled_lung_is_drawn_from_where_it_teaches(cases, supervision, more):
    left = [case for case in cases if case.case == "left"]
    patches = Patches(left, recipe(supervision=supervision), 0)
    kinds = [patches._kind(left[0], np.random.default_rng(n)) for n in range(400)]
    assert ("unlabelled" in kinds) == more
    assert kinds.count("labelled") + kinds.count("unlabelled") == pytest.approx(100, abs=30)
    if more:
        assert kinds.count("unlabelled") == pytest.approx(kinds.count("labelled"), rel=0.5)
        z, y, x = left[0].centre("unlabelled", 7)
        assert label_of(left[0].facts())[z, y, x] == UNKNOWN_LABEL


def test_cases_take_turns_whatever_they_know(cases):
    patches = Patches(cases, recipe(), 0)
    owners = [patches._owner(number) for number in range(30)]
    assert all(sorted(owners[i : i + 3]) == [0, 1, 2] for i in range(0, 30, 3))
    assert len({tuple(owners[i : i + 3]) for i in range(0, 30, 3)}) > 2


def test_a_patch_larger_than_the_volume_is_padded_as_unknown(cases):
    size = tuple(n + 6 for n in GRID.shape)
    full = [case for case in cases if case.case == "full"]
    patch = drawn(full, size, 1)[0]
    _, valid = learnt(patch)
    assert patch["hu"].shape == size
    assert valid[0].sum() == np.prod(GRID.shape)
    assert (patch["facts"][:3] == BEYOND).all()
    assert valid[0, 3:-3, 3:-3, 3:-3].all()


def test_a_patch_follows_from_seed_and_number(cases):
    def content(patch):
        return [np.asarray(patch[k]).tobytes() for k in ("hu", "facts")] + [str(patch["changes"])]

    once, again = (Patches(cases, recipe(), 1)[7, SIZE] for _ in range(2))
    assert content(once) == content(again)
    for other in (Patches(cases, recipe(), 2)[7, SIZE], Patches(cases, recipe(), 1)[8, SIZE]):
        assert content(once) != content(other)


def test_a_patch_knows_which_classes_its_case_covers(cases):
    covered = {case.case: case.covered.tolist() for case in cases}
    assert covered["left"] == [True, True, False, False]
    patches = Patches(cases, recipe(), 0)
    for number in range(6):
        owner = cases[patches._owner(number)].case
        assert patches[number, SIZE]["covered"].tolist() == covered[owner]


EARLY = Early(patch=[8, 8, 8], batch=4, steps=2)


def test_a_step_knows_its_patches():
    plan = recipe(batch=2, early=EARLY, steps=4, patch=[16, 16, 16])
    assert [of_step(s, plan) for s in (1, 2, 3, 4)] == [
        (0, 4, [8, 8, 8]), (4, 4, [8, 8, 8]), (8, 2, [16, 16, 16]), (10, 2, [16, 16, 16]),
    ]  # fmt: skip


@pytest.mark.parametrize("accumulate", [1, 2, 3])
@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("begin", [0, 1, 3])
def test_processes_and_parts_together_read_each_patch_once_and_in_its_step(
    world, accumulate, begin
):
    plan = recipe(batch=2, early=EARLY, steps=4, accumulate=accumulate)
    read_by = [list(Portions(plan, begin, rank, world)) for rank in range(world)]
    position = [0] * world
    for step in range(begin + 1, 5):
        first, count, size = of_step(step, plan)
        keys = []
        for rank in range(world):
            parts = parts_of(count // world, plan)
            for portion in read_by[rank][position[rank] : position[rank] + parts]:
                keys += portion
            position[rank] += parts
        assert sorted(keys) == [(n, tuple(size)) for n in range(first, first + count)]
    assert position == [len(portions) for portions in read_by]


def test_a_batch_is_worked_through_in_at_most_so_many_even_parts():
    assert [parts_of(own, recipe(accumulate=4)) for own in (1, 2, 3, 4, 6, 8)] == [1, 2, 3, 4, 3, 4]


def test_workers_change_nothing(cases):
    plan = recipe(batch=2, early=EARLY, steps=14)

    def batches(workers):
        return list(loader(Patches(cases, plan, 0), Portions(plan, 0, 0, 1), workers, False))

    for here, there in zip(batches(0), batches(2), strict=True):
        changes = here.pop("changes"), there.pop("changes")
        for one, other in (changes, (here, there)):
            assert one.keys() == other.keys()
            for name in one:
                assert one[name].dtype == other[name].dtype
                assert torch.equal(one[name], other[name])


@pytest.mark.parametrize("early", [2, 0])
def test_the_memory_of_a_batch_holds_the_largest_and_little_more(cases, early):
    plan = recipe(batch=2, early=EARLY.model_copy(update={"steps": early}), steps=4)
    portions = Portions(plan, 0, 0, 1)
    sizes = []
    for batch in loader(Patches(cases, plan, 0), portions, 0, False):
        sizes.append(sum(v.nbytes for v in batch.values() if isinstance(v, torch.Tensor)))
    assert max(sizes) <= portions.bytes_of_a_batch() <= max(sizes) + 64_000


def test_cases_without_a_labelled_voxel_are_never_read(cases):
    with pytest.raises(TrainingFailed, match="no case of split train holds a labelled voxel"):
        Patches([], recipe(), 0)
