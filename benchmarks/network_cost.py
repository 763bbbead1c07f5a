"""What a network costs: weights, the work of a step, and what it keeps for the way back.

    python benchmarks/network_cost.py                    # both tables of docs/train.md
    python benchmarks/network_cost.py --width 16 --patch 96 96 96
    python benchmarks/network_cost.py --files params.yaml

The first table is of every network in the registry that takes the patch, at one width; the second
is of the files that ship, a process at a time. Nothing is computed: tensors on PyTorch's ``meta``
device and its fake tensors have a shape, a type and no values, so any size is counted in seconds.

Work is that of convolutions and products of matrices, a multiplication and an addition counted
as two (PyTorch's FLOP counter); norms, interpolation and the loss do little of it, but read and
write much. What is kept for the way back is each saved tensor of network and loss, once, without
the weights. On a GPU networks run in bfloat16; normalisation there stays float32, which is why
less than half is saved. A training needs more than what is kept: weights with gradients and two
moments (16 bytes each, 20 with ``ema``), the gradients that are on their way, the convolutions'
workspaces. ``lacaf plan`` reckons with those.
"""

import argparse
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from measuring import REPOSITORY, heading, parsed, row
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from lacaf.classes import CLASSES
from lacaf.model.inputs import CHANNELS
from lacaf.model.losses import partial_label_loss
from lacaf.model.networks import NETWORKS, build
from lacaf.params import whole as parameters
from lacaf.train.patches import parts_of

VECTOR = 384  # length of a text vector of minilm; of clip 512
FILES = sorted((REPOSITORY / "params").glob("*.yaml"))
PROCESSES = {"large": 4}  # that a file is meant for, where they are several


def cost(network, width, patch, batch):
    """Weights, FLOP of a step, bytes kept in float32 and in bfloat16 on a GPU (None: not to be
    counted)."""
    with torch.device("meta"):
        whole = _network(network, width, patch)
        with _kept(whole) as kept, FlopCounterMode(display=False) as work:
            _loss(whole, patch, batch).backward()
    weights = sum(p.numel() for p in whole.parameters())
    on_a_gpu = _kept_on_a_gpu(network, width, patch, batch)
    return weights, work.get_total_flops(), kept["bytes"], on_a_gpu


def _kept_on_a_gpu(network, width, patch, batch):
    """The same in mixed precision; fake tensors need no GPU, but a PyTorch that knows CUDA."""
    if not torch.backends.cuda.is_built():
        return None
    try:
        with FakeTensorMode(), torch.device("cuda"):
            whole = _network(network, width, patch)
            with _kept(whole) as kept:
                _loss(whole, patch, batch, _bfloat16)
    except DataDependentOutputException:  # it asks for values, which fake tensors have not
        return None
    return kept["bytes"]


@contextmanager
def _bfloat16():
    """As ``torch.autocast`` does it, which refuses to where there is no GPU."""
    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", torch.bfloat16)
    try:
        yield
    finally:
        torch.set_autocast_enabled("cuda", False)
        torch.clear_autocast_cache()


def _network(network, width, patch):
    name, guided, arguments = network
    vectors = torch.ones(len(CLASSES), VECTOR) if guided else None
    return build(name, width, vectors, arguments=arguments, patch=patch).train()


def takes(entry, patch):
    """Whether a network takes a patch."""
    fits = all(n % m == 0 for n, m in zip(patch, entry.multiples(patch), strict=True))
    return fits and entry.patch in (None, tuple(patch)) and min(patch) >= entry.smallest


def _loss(network, patch, batch, precision=nullcontext):
    with precision():
        logits = network(torch.empty(batch, len(CHANNELS), *patch))
    known = torch.empty(logits.shape, dtype=torch.bool)
    return partial_label_loss(logits, known, known)


@contextmanager
def _kept(network):
    """Bytes of what the block saves for the way back; a tensor that is saved twice counts once."""
    own = {p.untyped_storage()._cdata for p in network.parameters()}
    seen, found = {}, {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        seen[storage._cdata] = storage  # kept alive, so that no other gets its address
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        yield found
    found["bytes"] = sum(s.nbytes() for address, s in seen.items() if address not in own)


def cells(network, width, patch, batch):
    """The numbers of a row."""
    weights, work, kept, on_a_gpu = cost(network, width, patch, batch)
    told = [f"{weights / 1e6:.2f}", f"{work / 1e9:,.0f}", f"{kept / 1e9:.2f}"]
    return [*told, "–" if on_a_gpu is None else f"{on_a_gpu / 1e9:.2f}"]


def recipes(files):
    """File, network, width, patch and how many patches a process works through at once."""
    for path in files:
        train = parameters.load(path).train
        found = {}
        for recipe in map(train.recipe, train.experiments):
            own = recipe.batch // PROCESSES.get(path.stem, 1)
            at_once = own // parts_of(own, recipe)
            whole = recipe.network, recipe.encoder is not None, recipe.arguments
            size = recipe.width, tuple(recipe.patch), at_once
            found[repr((whole, size))] = whole, *size
        yield from ((path.stem, *size) for size in found.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=32, help="feature channels")
    parser.add_argument("--patch", type=int, nargs=3, default=(128, 128, 128), help="z y x")
    parser.add_argument("--files", type=Path, nargs="*", default=FILES, help="parameter files")
    options = parsed(parser, width=4, patch=(32, 32, 32), files=FILES[:1])
    size = " × ".join(map(str, options.patch))
    print(f"One patch of {size}, width {options.width}:\n")
    numbers = ("weights, M", "GFLOP a step", "kept, GB", "kept on a GPU, GB")
    heading("network", *numbers)
    for name, entry in NETWORKS.items():
        if takes(entry, options.patch):
            whole = name, entry.language, {}
            row(f"`{name}`", *cells(whole, options.width, options.patch, 1))
    print("\nThe files that ship, what one process works through at once:\n")
    heading("file", "network", "width", "patches", *numbers)
    for name, network, width, patch, batch in recipes(options.files):
        size = f"{batch} of {' × '.join(map(str, patch))}"
        row(f"`{name}`", f"`{network[0]}`", width, size, *cells(network, width, patch, batch))


if __name__ == "__main__":
    main()
