"""Weights to start from, out of a file: never run, and never taken without telling which."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lacaf.model.pretrained import Fit, fit, unwrapped
from lacaf.params.train import Recipe
from lacaf.train.failures import TrainingFailed

#: Less of a network's tensors in the file, and it is another network's file.
LEAST = 0.1
#: Names that are shown of a list.
SHOWN = 3


def load_pretrained(
    recipe: Recipe, network: nn.Module, quiet: bool = False
) -> dict[str, Any] | None:
    """Lay the weights of ``train.pretrained`` on a network, and tell which; None without any.

    Returns:
        ``file``, its name without the folder; ``sha256``; ``matched`` tensors ``of`` so many;
        names ``missing`` in the file, of ``other_shape`` there, and ``unused``.

    Raises:
        TrainingFailed: the file is not there, holds no weights or those of another network.
    """
    if recipe.pretrained is None:
        return None
    path = Path(recipe.pretrained)
    found = _read(path)
    fitting = fit(network, found)
    if len(fitting.weights) < LEAST * fitting.of:
        raise TrainingFailed(
            f"train.pretrained: {path} holds {len(fitting.weights)} of the {fitting.of} tensors of "
            f"network `{recipe.network}`, too few to be of its kind; it holds "
            f"{_some(list(found))}, the network {_some([*fitting.missing, *fitting.other_shape])}"
        )
    network.load_state_dict(dict(fitting.weights), strict=False)
    if not quiet:
        print(told(path.name, recipe.network, fitting), flush=True)
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "matched": len(fitting.weights),
        "of": fitting.of,
        "missing": fitting.missing,
        "other_shape": fitting.other_shape,
        "unused": fitting.unused,
    }


def told(file: str, network: str, fitting: Fit) -> str:
    """What was taken, in a few lines."""
    lines = [f"{file}: {len(fitting.weights)} of {fitting.of} tensors of `{network}` are taken"]
    for what, names in (
        ("missing in the file", fitting.missing),
        ("of another shape in the file", fitting.other_shape),
        ("unused", fitting.unused),
    ):
        if names:
            lines.append(f"  {what}: {len(names)}, {_some(names)}")
    return "\n".join(lines)


def _read(path: Path) -> dict[str, Tensor]:
    """The tensors in a file, by name; no code in it is run."""
    if not path.is_file():
        raise TrainingFailed(f"train.pretrained: {path}: there is no such file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise TrainingFailed(
            f"train.pretrained: {path} does not open as weights alone "
            f"({str(error).splitlines()[0][:200]}); if it is a whole checkpoint that you trust, "
            "save its state_dict by itself with torch.save"
        ) from None
    found = unwrapped(content)
    if not found:
        raise TrainingFailed(f"train.pretrained: {path} holds no tensors by name")
    return found


def _some(names: Sequence[str]) -> str:
    more = ", …" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more if names else "none"
