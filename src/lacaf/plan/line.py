"""A line of a proposal: a parameter, its value, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lacaf.params.whole import Params


@dataclass(frozen=True)
class Line:
    """One parameter of a proposal.

    Attributes:
        key: its place in ``params.yaml``, with points.
        value: what is proposed.
        present: what it is now.
        why: the reason, with the number that it came from.
    """

    key: str
    value: Any
    present: Any
    why: str

    @property
    def changed(self) -> bool:
        """Whether something else is proposed than there is."""
        return self.value != self.present


def line(present: Params, key: str, value: Any, why: str) -> Line:
    """A line beside what the parameters hold at present."""
    now: Any = present
    for part in key.split("."):
        now = getattr(now, part)
    return Line(key, value, now, why)


def mm(lengths: Iterable[float]) -> str:
    """Lengths ``(z, y, x)`` as people write them."""
    return " × ".join(f"{length:.0f}" for length in lengths)
