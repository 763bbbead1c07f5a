"""Work on slices in processes of their own: quicker, and safe from decoders that crash or hang.

Decoders are C code that reads what strangers wrote, and most hold Python's lock. A forked
process needs no start-up, writes its result into shared memory, and takes nobody down with it.

No library serves: `concurrent.futures` and `multiprocessing` pools break as a whole when one
worker crashes, without saying over which item, and can neither stop one that hangs nor limit
its memory.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from lacaf.fault import Refusal
from lacaf.machine import cores

#: More processes would wait for the disk, and other cases are converted beside this one.
MOST_PROCESSES = 4
#: Decoding a slice takes milliseconds.
MOST_SECONDS = 120.0
#: Address space beyond the parent's own that a process may ask for.
MOST_BYTES = 2**32
#: The number of no child: none has said anything.
SILENCE = 0

Work = Callable[[int], None]
Name = Callable[[int], str]


def each(work: Work, count: int, name: Name, *, apart: bool) -> Generator[int]:
    """Do ``work(index)`` for each index below ``count``; yields each index when it is done.

    Args:
        work: leaves its result in shared memory, or raises.
        count: how many.
        name: how a refusal calls the item.
        apart: in processes, where the system can fork them; else one after another, here.

    Raises:
        Refusal: the first item (by index) that was refused, crashed its process or took longer
            than two minutes.
        OSError, MemoryError: the machine's fault.
    """
    if apart and count and sys.platform == "linux":
        yield from _apart(work, count, name)
        return
    for index in range(count):
        work(index)
        yield index


def _apart(work: Work, count: int, name: Name) -> Iterator[int]:
    processes = max(1, min(MOST_PROCESSES, cores(), count))
    reading, writing = os.pipe()
    children: list[int] = []
    try:
        try:
            for start in range(processes):
                children.append(_child(work, range(start, count, processes), name, writing))
        finally:
            os.close(writing)
        yield from _heard(work, reading, children, name)
    finally:
        os.close(reading)
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _heard(work: Work, reading: int, children: list[int], name: Name) -> Iterator[int]:
    """The indices that children report as done; once all have ended, the first refusal."""
    begun: dict[int, int] = {}
    refusals: dict[int, Refusal] = {}
    for child, index, what in _reports(reading):
        if child == SILENCE:
            raise _refusal(
                f"its pixels are not decoded after {MOST_SECONDS:g} s", name(min(begun.values()))
            )
        if what == "begun":
            begun[child] = index
            continue
        del begun[child]
        if what == "again":  # here the error is loud, and has its traceback
            work(index)
        if what in ("done", "again"):
            yield index
        else:
            refusals[index] = Refusal(what.pop("finding"), **what)
    for child, index in begun.items():
        children.remove(child)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            raise MemoryError  # so does Linux when memory is short
        refusals[index] = _refusal("its pixels make the decoder crash", name(index))
    if refusals:
        raise refusals[min(refusals)]


def _reports(reading: int) -> Iterator[tuple[int, int, Any]]:
    """What the children say, until all have ended or say nothing for too long."""
    rest = b""
    while True:
        ready, _, _ = select.select([reading], [], [], MOST_SECONDS)
        if not ready:
            yield SILENCE, 0, None
            return
        heard = os.read(reading, 65536)
        if not heard:
            return
        *lines, rest = (rest + heard).split(b"\n")
        yield from map(json.loads, lines)


def _child(work: Work, indices: Sequence[int], name: Name, writing: int) -> int:
    """Fork a process that does the work of its indices and reports; the parent gets its number."""
    child = os.fork()
    if child:
        return child
    try:
        _confine()
        for index in indices:
            _say(writing, index, "begun")
            try:
                work(index)
                what: Any = "done"
            except Refusal as refusal:
                what = refusal.details
            except MemoryError:
                what = _refusal("its pixels ask for absurd memory", name(index)).details
            except Exception:
                what = "again"
            _say(writing, index, what)
            if isinstance(what, dict):
                break
    finally:
        os._exit(0)


def _confine() -> None:
    """Neither much memory nor a word: decoders print what they find."""
    import faulthandler
    import resource

    faulthandler.disable()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _say(writing: int, index: int, what: Any) -> None:
    """One line; a pipe keeps lines of less than 4 kB whole."""
    os.write(writing, json.dumps([os.getpid(), index, what]).encode() + b"\n")


def _refusal(finding: str, file: str) -> Refusal:
    return Refusal(
        finding, expectation="whole pixel data", remedy="fetch the file again", file=file
    )
