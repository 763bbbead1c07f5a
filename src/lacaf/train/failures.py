"""What ends a training before its time, in a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lacaf.fault import Fault, Interrupted

MEMORY = (
    "raise train.accumulate, or lower train.batch, train.patch or train.width; `lacaf plan` "
    "proposes what fits"
)


class TrainingFailed(Fault):
    """The training cannot start or went astray; the message says why and what to do."""


class Stopped(Interrupted):
    """The training was asked to stop, and has kept all that it needs to go on."""


@contextmanager
def told() -> Iterator[None]:
    """Turn what PyTorch raises for want of memory or of a worker into a fault.

    Raises:
        TrainingFailed: instead.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise TrainingFailed(f"the GPU has too little memory for this training: {MEMORY}") from None
    except MemoryError:
        raise TrainingFailed(f"this machine has too little memory: {MEMORY}") from None
    except RuntimeError as error:
        text = str(error)
        if "DefaultCPUAllocator" in text or "not enough memory" in text:
            raise TrainingFailed(f"this machine has too little memory: {MEMORY}") from None
        if "shared memory" in text or "to the right size" in text:
            raise TrainingFailed(
                "/dev/shm has too little room for the processes that read patches: fewer "
                "--workers, or in a container more of it (docker run --shm-size=8g)"
            ) from None
        if "DataLoader worker" in text:
            raise TrainingFailed(
                f"a process that reads patches died ({text.splitlines()[0]}); often memory or "
                "shared memory ran out: run the same command with fewer --workers, it goes on "
                "from the last checkpoint"
            ) from None
        raise
