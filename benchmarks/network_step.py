"""What a step of training takes with a network: seconds, and the most memory held.

    python benchmarks/network_step.py                  # ours beside LA-CAF as released
    python benchmarks/network_step.py --networks lacaf:32 dynunet:32 --patch 128 --batch 2
    python benchmarks/network_step.py --device cuda

A step is the forward pass, the loss of what is known, the backward pass and AdamW's update, of
random patches, as `lacaf train` takes it on that device (bfloat16 where the GPU has it). Each
network runs in a process of its own; the first step, in which libraries choose their ways, is not
counted, and of the others the shortest counts. On a GPU memory is what PyTorch reserved there,
elsewhere the most that the process held. Ratios are to the first network.
"""

import argparse
import sys
import time

import torch
from measuring import heading, in_a_process, parsed, row, tell

from lacaf.classes import CLASSES
from lacaf.model.device import choose, describe, precision
from lacaf.model.inputs import CHANNELS
from lacaf.model.losses import partial_label_loss
from lacaf.model.networks import NETWORKS, build

VECTOR = 512  # length of a text vector of clip
#: Name, width and, where text guides it, +; each with the width of params/paper.yaml.
PAIR = ["lacaf:64", "released:64"]


def made(named, edge):
    """A network from its name, width and + for language: ``dynunet:32+``."""
    name, width = named.removesuffix("+").split(":")
    guided = named.endswith("+") or NETWORKS[name].language
    vectors = torch.randn(len(CLASSES), VECTOR) if guided else None
    return build(name, int(width), vectors, patch=(edge,) * 3)


def measure(named, edge, batch, steps, device):
    """Take steps, and tell the shortest and the most memory that was held."""
    torch.manual_seed(0)
    network = made(named, edge).to(device, memory_format=torch.channels_last_3d).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    seen = torch.rand(batch, len(CHANNELS), *(edge,) * 3, device=device)
    seen = seen.contiguous(memory_format=torch.channels_last_3d)
    truth = torch.rand(batch, len(CLASSES), *(edge,) * 3, device=device) < 0.05
    times = [_seconds(network, optimizer, seen, truth, device) for _ in range(steps + 1)]
    found = {"seconds": min(times[1:]), "weights": sum(p.numel() for p in network.parameters())}
    if device.type == "cuda":
        found["reserved"] = torch.cuda.max_memory_reserved(device) / 2**30
    tell(found)


def _seconds(network, optimizer, seen, truth, device):
    """One step."""
    begin = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    with precision(device):
        logits = network(seen)
    partial_label_loss(logits, truth, torch.ones_like(truth)).backward()
    optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=PAIR, help="name:width, + for language")
    parser.add_argument("--patch", type=int, default=96, help="edge, voxels")
    parser.add_argument("--batch", type=int, default=4, help="patches a step")
    parser.add_argument("--steps", type=int, default=3, help="of which the shortest counts")
    parser.add_argument("--device", help="cpu or cuda; the best there is without")
    parser.add_argument("--once", help="name:width: measure it in this process")
    options = parsed(parser, networks=["lacaf:2", "released:2"], batch=1, steps=1)
    device = choose(options.device)
    if options.once:
        measure(options.once, options.patch, options.batch, options.steps, device)
        return
    print(f"{options.batch} of {options.patch}³, {describe(device)}:\n")
    heading("network", "width", "weights, M", "step, s", "ratio", "memory, GB", "ratio")
    size = [f"--{name}={getattr(options, name)}" for name in ("patch", "batch", "steps")]
    first = None
    for named in options.networks:
        found = in_a_process(
            sys.executable, __file__, f"--once={named}", f"--device={device.type}", *size
        )
        held = found.get("reserved", found["gigabytes"])
        first = first or (found["seconds"], held)
        name, width = named.split(":")
        row(
            f"`{name}`", width, f"{found['weights'] / 1e6:.2f}", f"{found['seconds']:.3g}",
            f"{found['seconds'] / first[0]:.2f}", f"{held:.2f}", f"{held / first[1]:.2f}",
        )  # fmt: skip


if __name__ == "__main__":
    main()
