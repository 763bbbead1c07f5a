"""What readers hand over arrives as it was, however many batches there are and however large."""

import resource
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from lacaf.train import handover
from lacaf.train.failures import TrainingFailed, told
from lacaf.train.handover import Handed, Handover


def patches(number):
    """Two patches that differ from those of any other number."""
    return [
        {
            "hu": np.full((3, 4, 5), 10 * number + k, np.int16),
            "facts": np.full((3, 4, 5), number, np.uint8),
            "height": np.linspace(k, number, 3, dtype=np.float32),
            "changes": {"noise": number + k / 10, "mirror": bool(k)},
        }
        for k in range(2)
    ]


def same(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return one.dtype == other.dtype and torch.equal(one, other)


@pytest.fixture
def reader(monkeypatch):
    """This process is a reader, the second of two."""
    monkeypatch.setattr(handover, "get_worker_info", lambda: SimpleNamespace(id=1, num_workers=2))


def test_a_batch_arrives_as_pytorch_would_have_made_it(reader):
    between = Handover(slots=4, room=10_000)
    for number in range(5):
        handed = between.put(patches(number))
        assert isinstance(handed, Handed)
        assert handed.slot % 2 == 1  # the other reader's slots are not touched
        assert same(between.take(handed, pinned=False), default_collate(patches(number)))


def test_a_batch_that_was_taken_does_not_change_when_its_slot_is_used_again(reader):
    between = Handover(slots=2, room=10_000)
    first = between.take(between.put(patches(1)), pinned=False)
    assert between.put(patches(2)).slot == 1
    assert same(first, default_collate(patches(1)))


def test_a_slot_is_not_used_again_before_its_batch_is_taken(reader):
    between = Handover(slots=4, room=10_000)
    waiting = [between.put(patches(number)) for number in range(2)]
    assert len({handed.slot for handed in waiting}) == 2
    beyond = between.put(patches(2))  # all slots are full: by PyTorch's own way
    assert same(between.take(beyond, pinned=False), default_collate(patches(2)))
    for number, handed in enumerate(waiting):
        assert same(between.take(handed, pinned=False), default_collate(patches(number)))


def test_too_little_shared_memory_is_told():
    """A limit on the size of files holds for shared memory too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(TrainingFailed, match=r"/dev/shm.*--workers"), told():
            Handover(slots=2, room=10_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_batch_that_is_larger_than_a_slot_arrives_too(reader):
    between = Handover(slots=2, room=100)
    handed = between.put(patches(3))
    assert not isinstance(handed, Handed)
    assert same(between.take(handed, pinned=False), default_collate(patches(3)))
