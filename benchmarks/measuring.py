"""What the benchmarks share: the smallest input, the clock, a process of its own, tables.

Only Python's own library is imported here, since a peer may run in a Python that has no lacaf.
"""

import argparse
import json
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
#: The folder of real CTs; it may be absent.
REAL_DATA = Path(os.environ.get("LACAF_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
#: The parameters that ship, whatever params.yaml holds at present.
PARAMS = REPOSITORY / "params" / "demo.yaml"


def parsed(parser: argparse.ArgumentParser, **smallest: Any) -> argparse.Namespace:
    """The options from the command line, with ``--smallest`` among them.

    ``smallest`` are the values that an option has with it, unless it is given too: an input of
    seconds that goes through the same code and prints every table.
    """
    parser.add_argument(
        "--smallest", action="store_true", help="an input of seconds, to see whether it still runs"
    )
    options = parser.parse_args()
    if options.smallest:
        parser.set_defaults(**smallest)
        options = parser.parse_args()
    return options


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """A dictionary that holds ``wall`` and ``processor`` seconds when the block has ended."""
    found: dict[str, float] = {}
    wall, processor = time.perf_counter(), time.process_time()
    yield found
    found |= {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}


def peak_gigabytes() -> float:
    """The most memory that this process has held so far, GB of 2**30 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def family() -> list[int]:
    """The numbers of this process and of all that descend from it, those alone that still live."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(_after_name(path)[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found = [os.getpid()]
    for one in found:
        found += children.get(one, [])
    return found


def processor_seconds() -> float:
    """What the family has used of processors so far; a child that has ended is left out."""
    ticks = 0
    for one in family():
        with suppress(OSError):
            fields = _after_name(Path(f"/proc/{one}/stat"))
            ticks += sum(map(int, fields[11:13]))  # utime, stime
    return ticks / os.sysconf("SC_CLK_TCK")


def _after_name(path: Path) -> list[str]:
    """The fields of a process's ``stat`` from its state on; its name may hold anything."""
    return path.read_text().rpartition(")")[2].split()


def tell(result: dict[str, Any]) -> None:
    """Hand a result, and the peak of memory, to :func:`in_a_process`; the last thing to do."""
    print(json.dumps(result | {"gigabytes": peak_gigabytes()}))


def in_a_process(python: str, script: str, *arguments: str) -> dict[str, Any]:
    """What a script tells (see :func:`tell`) in a process whose peak of memory is its own."""
    command = [python, script, *arguments]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def heading(*names: str) -> None:
    """The head of a table in Markdown."""
    row(*names)
    print("|" + "---|" * len(names), flush=True)


def row(*cells: object) -> None:
    """A row of it, shown at once."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)
