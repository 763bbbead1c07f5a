"""Muon: a step of a whole matrix at once, where AdamW takes one of each number.

Jordan 2024 (kellerjordan.github.io/posts/muon). The step of a matrix is its gradient, averaged over
steps, with every direction brought to the same length. Directions in which the gradient is weak,
as those are in which artery differs from vein, count as much as the strong ones. A kernel of a
convolution is a matrix from all that it sees to its channels.

Attention needs it most: its numbers act together, sixty-four at once, so that the rate at which
kernels learn well is far too high for AdamW to take each of them by itself.

PyTorch has a Muon of its own since 2.9. It takes no kernels of convolutions, and it
computes in bfloat16, which most CPUs but imitate; so these few lines are here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW

#: Of Newton and Schulz's iteration, and how often it is done (Jordan 2024).
QUINTIC, ROUNDS = (3.4445, -4.7750, 2.0315), 5
MOMENTUM = 0.95
#: Length of a step of AdamW, a weight, as a fraction of the rate. Steps of matrices are given the
#: same (Liu 2025, "Muon is scalable", eq. 4), so that one rate and one decay do for both.
LENGTH = 0.2
#: A matrix to or from fewer channels has hardly a direction to tell from others.
LEAST_DIRECTIONS = 5


class Muon(AdamW):
    """Muon for matrices and the kernels of convolutions, AdamW for all other weights."""

    def __init__(self, weights: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        matrices: list[Tensor] = []
        others: list[Tensor] = []
        for weight in weights:
            (matrices if is_matrix(weight) else others).append(weight)
        groups = [{"params": others}, {"params": matrices}]
        super().__init__(groups, lr=lr, weight_decay=weight_decay)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take a step; AdamW is shown no gradient of the matrices, so it leaves them alone."""
        group = self.param_groups[1]
        gradients = [matrix.grad for matrix in group["params"]]
        for matrix in group["params"]:
            matrix.grad = None
        loss = super().step(closure)
        for matrix, gradient in zip(group["params"], gradients, strict=True):
            matrix.grad = gradient
            if gradient is not None:
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.sub_(group["lr"] * self._direction(matrix, gradient))
        return loss

    def _direction(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """Where a weight goes, of a length that suits its size."""
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros(())  # AdamW looks for it when it is loaded
            state["momentum"] = torch.zeros_like(weight)
        mean = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        matrix = gradient.lerp(mean, MOMENTUM).flatten(1)
        return LENGTH * math.sqrt(max(matrix.shape)) * orthogonal(matrix).view_as(weight)


def is_matrix(weight: Tensor) -> bool:
    """Whether weights lead from several channels to several: of a linear layer or a convolution."""
    if weight.ndim not in (2, 5):
        return False
    return min(len(weight), weight.numel() // len(weight)) >= LEAST_DIRECTIONS


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix ``(M, N)`` with all its singular values brought near 1 (0.7 to 1.2).

    Each round multiplies it by a polynomial of its products with itself. Those are small and
    square, so the rounds are taken with them alone, and the matrix is multiplied once.
    """
    a, b, c = QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    square = x @ x.T
    whole = one = torch.eye(len(x), dtype=x.dtype, device=x.device)
    for _ in range(ROUNDS):
        factor = a * one + b * square + c * square @ square
        whole = factor @ whole
        square = factor @ square @ factor
    x = whole @ x
    return x.T if tall else x
