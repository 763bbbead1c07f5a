"""Deep supervision: a network that answers at several resolutions is judged at each.

Lee 2015 (Deeply-Supervised Nets); as nnU-Net does, each coarser answer counts less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.nn import functional


def supervised(
    output: Tensor | Sequence[Tensor], weight: float, loss: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """The loss of all answers together, and the logits of the finest.

    Args:
        output: logits ``(B, K, Z, Y, X)``; or several, the finest first, the others coarser.
            Those are brought to the size of the first, trilinearly: what is known stays as fine
            as it is.
        weight: the i-th answer counts ``weight ** i``, all together 1. With 0 the others are not
            looked at.
        loss: logits at full size to a loss.
    """
    answers = [output] if isinstance(output, Tensor) else list(output)
    finest, coarser = answers[0], answers[1:] if weight else []
    total, whole = loss(finest), 1.0
    for level, logits in enumerate(coarser, start=1):
        wide = functional.interpolate(logits.float(), size=finest.shape[2:], mode="trilinear")
        total = total + weight**level * loss(wide)
        whole += weight**level
    return total / whole if coarser else total, finest
