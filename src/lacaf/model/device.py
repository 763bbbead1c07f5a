"""Where a network runs, and how: chosen by the machine, not by the parameters."""

from __future__ import annotations

import ctypes
import sys
from contextlib import AbstractContextManager

import torch

#: glibc's mallopt keys: never give big blocks back to the system between steps.
TRIM_THRESHOLD, MMAP_MAX = -1, -4


def choose(device: str | None = None, local: int = 0) -> torch.device:
    """The device named, or for None and ``auto`` a GPU if there is one, else the CPU.

    Of several processes on a machine each gets the GPU of its own number, ``local``.

    On a CPU the process keeps the memory that it has freed: feature maps of hundreds of
    megabytes come and go in every step, and fetching their pages anew took a third of the time.
    """
    if device in (None, "auto"):
        device = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(device)
    if chosen.type == "cuda" and chosen.index is None:
        chosen = torch.device("cuda", local % max(1, torch.cuda.device_count()))
        torch.cuda.set_device(chosen)
        torch.backends.cudnn.benchmark = True  # patches have one size
    if chosen.type == "cpu" and sys.platform == "linux":
        keep = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if keep is not None:
            keep(MMAP_MAX, 0)
            keep(TRIM_THRESHOLD, 2**31 - 1)
    return chosen


def precision(device: torch.device) -> AbstractContextManager:
    """bfloat16 on a GPU that has it; else float32: emulated, bfloat16 is far slower."""
    has_it = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_it)


def describe(device: torch.device) -> str:
    """The device in words, for records."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({torch.get_num_threads()} threads)"
