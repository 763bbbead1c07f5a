"""One process a GPU: who is who among them, what they agree on, and when they are asked to stop.

PyTorch's own DistributedDataParallel, since that is all it takes: the loop is a page long, and a
library around it would be one more thing to trust with a hospital's data.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

#: Signals that ask a training to save and go: Slurm's pre-emption, its early warning, Ctrl-C.
REQUESTS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)

PORT = "29511"


@dataclass(frozen=True)
class Processes:
    """This process among those that train one network together.

    Attributes:
        rank: its number; 0 alone writes and logs.
        world: how many there are, on all machines.
        local: its number on its machine, and that of its GPU.
        control: the group in which small numbers are exchanged on the CPU, so that asking
            whether to stop does not wait for the GPU.
    """

    rank: int = 0
    world: int = 1
    local: int = 0
    control: Any = None

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and logs."""
        return self.rank == 0

    def total(self, numbers: Tensor) -> Tensor:
        """The sum of a CPU tensor over all processes."""
        if self.world > 1:
            numbers = numbers.clone()
            distributed.all_reduce(numbers, group=self.control)
        return numbers

    def pooled(self, sums: Tensor) -> Tensor:
        """The sum of a tensor over all processes, through which gradients flow to each."""
        if self.world == 1:
            return sums
        return _Summed.apply(sums)

    def all(self, number: int) -> list[int]:
        """Each process's number, in order."""
        numbers = torch.zeros(self.world, dtype=torch.int64)
        numbers[self.rank] = number
        return self.total(numbers).tolist()

    def agreed(self, *flags: bool) -> list[bool]:
        """Of each flag, whether it is so in any of the processes."""
        return [bool(n) for n in self.total(torch.tensor([int(flag) for flag in flags]))]

    def around(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network with its gradients averaged over the processes."""
        if self.world == 1:
            return network
        devices = [device.index] if device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=devices, gradient_as_bucket_view=True)


class _Summed(torch.autograd.Function):
    """A sum over all processes; its gradient is the sum of theirs.

    That is as many times the loss's own as there are processes, and DistributedDataParallel's
    mean over them takes it back.
    """

    @staticmethod
    def forward(_ctx: Any, own: Tensor) -> Tensor:
        return _total(own)

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        return _total(gradients[0])


def _total(own: Tensor) -> Tensor:
    whole = own.clone()
    distributed.all_reduce(whole)
    return whole


def given() -> tuple[int, int, int]:
    """Rank, world and local rank as torchrun or Slurm's srun tell them; 0, 1, 0 without either."""
    here = os.environ
    if "RANK" in here:
        return int(here["RANK"]), int(here["WORLD_SIZE"]), int(here["LOCAL_RANK"])
    tasks = int(here.get("SLURM_STEP_NUM_TASKS", 1))
    if tasks > 1:
        return int(here["SLURM_PROCID"]), tasks, int(here["SLURM_LOCALID"])
    return 0, 1, 0


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """This process, once all have found each other."""
    rank, world, local = given()
    if world == 1:
        yield Processes()
        return
    os.environ.setdefault("MASTER_ADDR", _first_node())
    os.environ.setdefault("MASTER_PORT", PORT)
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, rank=rank, world_size=world)
    try:
        yield Processes(rank, world, local, distributed.new_group(backend="gloo"))
    finally:
        distributed.destroy_process_group()


def _first_node() -> str:
    """The first machine of a Slurm job, or this one."""
    nodes = os.environ.get("SLURM_STEP_NODELIST")
    if not nodes:
        return "localhost"
    command = ["scontrol", "show", "hostnames", nodes]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Whether this process has been asked to stop, instead of being stopped in mid-step.

    A second Ctrl-C stops at once.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set  # signals reach the main thread only
        return

    def ask(number: int, _frame: Any) -> None:
        if number == signal.SIGINT and asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, ask) for number in REQUESTS}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
