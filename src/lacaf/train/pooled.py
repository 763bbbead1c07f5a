"""A loss of a whole batch, of which each process, and each part in turn, sees some patches.

Dice is no mean over patches: it is made of sums over all of them. Judged patch by patch, the
scraps of vessels at the edges of small patches would rule, and training finds veins late or never.
So the sums are added up before anything is made of them, and the loss, and its gradient, are those
of the batch in one piece.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from lacaf.train.processes import Processes


class Pooled:
    """What the parts of a batch add to each sum that the loss asks for, in the order it asks.

    With one part there is nothing to note. With several, all are looked at once without
    gradients (:meth:`noting`), then each with gradients beside the others' sums (:meth:`adding`).
    """

    def __init__(self, processes: Processes, parts: int) -> None:
        self.processes = processes
        self.sums: list[list[Tensor]] = [[] for _ in range(parts)]

    def noting(self, part: int) -> Callable[[Tensor], Tensor]:
        """A pool that keeps a part's sums."""

        def pool(own: Tensor) -> Tensor:
            self.sums[part].append(own.detach())
            return own

        return pool

    def adding(self, part: int) -> Callable[[Tensor], Tensor]:
        """A pool that adds the other parts' sums to a part's, and all processes' to these."""
        others = [sums for index, sums in enumerate(self.sums) if index != part]
        calls = iter(zip(*others, strict=True))

        def pool(own: Tensor) -> Tensor:
            return self.processes.pooled(own + sum(next(calls)) if others else own)

        return pool
