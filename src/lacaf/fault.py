"""Faults: what a person can mend, and told in a sentence instead of a traceback."""

from __future__ import annotations

import errno


class Fault(Exception):
    """Something that the user, not the code, has to mend; the message says what and how.

    Commands print the message of a fault and end with exit code 2; anything else is a bug.
    """


class Refusal(Fault):
    """A case cannot be used. Say what was found, what was expected and what to do.

    ``file`` is a name that is safe to show: a file's role or its number in the series, never a
    path that a hospital chose, which may hold a patient's name.
    """

    def __init__(self, finding: str, *, expectation: str, remedy: str, file: str = "") -> None:
        super().__init__(
            f"{file + ': ' if file else ''}{finding}; expected {expectation}; {remedy}"
        )
        self.details = {
            "finding": finding,
            "expectation": expectation,
            "remedy": remedy,
            "file": file,
        }


class Interrupted(Fault):
    """Work that was asked to stop, and that the same command goes on with; no failure."""


class Missing(Fault, FileNotFoundError):
    """A file that an earlier stage should have written is not there."""


class Unwritable(Fault):
    """A file that was asked for cannot be written: no right, no space, or a folder is there."""


def machines_fault(error: BaseException) -> bool:
    """Whether an error is the machine's (a full disk, a lost share, no memory), not the data's.

    Such an error must stay loud: as a refusal it would stick to a case that has nothing wrong.
    Decoders that stumble over broken data raise OSError too, without a number, or EINVAL for
    a place that they computed wrongly.
    """
    if isinstance(error, OSError):
        return error.errno not in (None, errno.EINVAL)
    return isinstance(error, MemoryError)
