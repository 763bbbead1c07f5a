"""Memory in which the processes that read patches hand them over, used again and again.

PyTorch's own way gives each array of each batch shared memory of its own. For patches of 64 voxels
along each axis that takes longer than to read them, see ``benchmarks/loader_speed.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import default_collate, get_worker_info

#: Arrays begin at multiples of so many bytes.
ALIGNED = 64

Field = tuple[str, str, tuple[int, ...]]


class Handed(NamedTuple):
    """Where a batch lies.

    Attributes:
        slot: number of its part of the memory.
        fields: name, type and shape of each array, one after the other.
        rest: what else the patches hold, as it is.
    """

    slot: int
    fields: list[Field]
    rest: dict[str, Any]


class Handover:
    """Shared memory for batches that are read and not yet taken; each reader has its own slots.

    Attributes:
        memory: ``(slots, bytes)`` uint8.
        full: ``(slots,)`` bool: holds a batch that is not taken yet.
    """

    def __init__(self, slots: int, room: int) -> None:
        self.memory = torch.empty(slots, room, dtype=torch.uint8).share_memory_()
        self.full = torch.zeros(slots, dtype=torch.bool).share_memory_()

    def put(self, patches: Sequence[Mapping[str, Any]]) -> Handed | dict[str, Any]:
        """Lay a batch down, in one of the readers.

        Returns:
            Where it lies, or the batch itself where there is no room for it.
        """
        first = patches[0]
        arrays = [name for name, value in first.items() if isinstance(value, np.ndarray)]
        fields = [(n, first[n].dtype.str, (len(patches), *first[n].shape)) for n in arrays]
        slot = self._free_slot()
        if slot is None or _placed(fields)[-1].stop > self.memory.shape[1]:
            return default_collate(list(patches))
        for (name, _, _), place in zip(fields, self._places(slot, fields), strict=True):
            np.stack([patch[name] for patch in patches], out=place)
        self.full[slot] = True
        rest = {name: [patch[name] for patch in patches] for name in first if name not in arrays}
        return Handed(slot, fields, rest)

    def take(self, handed: Handed | dict[str, Any], pinned: bool) -> dict[str, Any]:
        """The batch, in the process that trains, in memory of its own; ``pinned`` for a GPU."""
        if not isinstance(handed, Handed):
            return handed
        batch = {name: default_collate(values) for name, values in handed.rest.items()}
        places = self._places(handed.slot, handed.fields)
        for (name, _, _), place in zip(handed.fields, places, strict=True):
            shared = torch.from_numpy(place)
            batch[name] = torch.empty_like(shared, pin_memory=pinned).copy_(shared)
        self.full[handed.slot] = False
        return batch

    def _free_slot(self) -> int | None:
        """One of this reader's slots; there is one if it has more slots than batches to read."""
        reader = get_worker_info()
        if reader is None:
            return None
        mine = range(reader.id, len(self.full), reader.num_workers)
        return next((slot for slot in mine if not self.full[slot]), None)

    def _places(self, slot: int, fields: Sequence[Field]) -> list[NDArray]:
        """The arrays in a slot."""
        memory = self.memory[slot].numpy()
        return [
            memory[place].view(dtype).reshape(shape)
            for (_, dtype, shape), place in zip(fields, _placed(fields), strict=True)
        ]


def _placed(fields: Sequence[Field]) -> list[slice]:
    """Bytes of each array in a slot."""
    places, begin = [], 0
    for _, dtype, shape in fields:
        end = begin + np.dtype(dtype).itemsize * int(np.prod(shape))
        places.append(slice(begin, end))
        begin = -(-end // ALIGNED) * ALIGNED
    return places
