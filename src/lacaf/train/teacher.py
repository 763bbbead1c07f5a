"""The mean teacher: the average of the weights says what the labels leave unknown.

Tarvainen and Valpola 2017. The average of the weights of many steps is a better network than any
of them. It is shown the same patches, turned and mirrored alike but with the image unchanged, and
where it is sure, the network that learns is to say the same, however the scan looks.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

#: A teacher below the first or above the second is sure of what it says. In between it would pass
#: on its doubts, and the student would learn to doubt.
SURE = (0.1, 0.9)

#: Fraction of all steps over which the teacher's weight rises: at first it knows nothing.
RISE = 1 / 3


def guess(teacher: nn.Module, inputs: Tensor) -> Tensor:
    """Probabilities ``(B, K, z, y, x)`` of patches ``(B, C, z, y, x)``, without gradient."""
    training = teacher.training
    teacher.eval()
    with torch.no_grad():
        output = teacher(inputs)
    teacher.train(training)
    logits = output if isinstance(output, Tensor) else output[0]
    return logits.float().sigmoid()


def sure(probability: Tensor) -> Tensor:
    """Where a teacher is sure, bool."""
    return (probability < SURE[0]) | (probability > SURE[1])


def weight_at(step: int, steps: int) -> float:
    """How much of its weight the teacher has at a step, up to 1; steps count from 1.

    ``exp(-5 (1 - t)²)``, t from 0 to 1 over the first third (Tarvainen 2017, supplement).
    """
    risen = min(1.0, (step - 1) / max(1.0, RISE * steps))
    return math.exp(-5 * (1 - risen) ** 2)
