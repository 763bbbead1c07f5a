"""All that a training needs to go on as if it had never been stopped, in one file.

The file appears whole or not at all: the one before stays until the new one is on the disk. It
knows what it was made from, and is not gone on from where that is no longer so.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lacaf.fault import Fault, Unwritable, machines_fault

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """Where a training keeps its state.

    Attributes:
        path: the file.
        made_from: digests of all that decides the training's numbers, by what they are of.
    """

    path: Path
    made_from: Mapping[str, str]

    def read(self) -> dict[str, Any] | None:
        """What was written last from the same things; None where there is nothing to go on from.

        Raises:
            Fault: the file is damaged.
        """
        content = self._load(self.path)
        if content is not None and not self._changed(content):
            return content
        return self._load(self._aside(self._made_from()))

    def _load(self, path: Path) -> dict[str, Any] | None:
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except Exception as error:
            if machines_fault(error):
                raise
            raise Fault(
                f"{path} cannot be read ({type(error).__name__}); remove it to train from the start"
            ) from None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other trainings of this run away, on this machine and on a shared disk.

        Raises:
            Fault: there is one.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(f".{self.path.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Fault(
                    f"another training keeps {self.path}; wait for it, or stop it, and run the "
                    "same command again"
                ) from None
            yield

    def set_aside(self) -> str:
        """Make room where the file was made from something else; what is to be told of it.

        It keeps what was learnt under a name that follows from what it was made from, so that who
        undoes the change goes on from there.
        """
        content = self._load(self.path)
        if content is None or not (changed := self._changed(content)):
            return ""
        told = f"{self.path} was made from something else ({', '.join(changed)} changed)"
        if not content["step"]:
            return f"{told}, before it had learnt anything"
        kept = self._aside(content["made_from"])
        self.path.replace(kept)
        return f"{told}; undo that, and it goes on after step {content['step']} from {kept}"

    def _aside(self, made_from: Mapping[str, str]) -> Path:
        whole = hashlib.sha256(repr(sorted(made_from.items())).encode()).hexdigest()
        return self.path.with_name(f"{self.path.name}.{whole[:16]}")

    def _changed(self, content: Mapping[str, Any]) -> list[str]:
        return [k for k, v in self._made_from().items() if content["made_from"].get(k) != v]

    def _made_from(self) -> dict[str, str]:
        return {"format": str(FORMAT), **self.made_from}

    def write(self, content: Mapping[str, Any]) -> None:
        """Replace what was written last.

        Raises:
            Unwritable: it could not be; what was written last is still there.
        """
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as handle:
                torch.save({**content, "made_from": self._made_from()}, handle)
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(self.path)
        except (OSError, RuntimeError) as error:  # PyTorch's writer tells a full disk as the latter
            with suppress(OSError):
                temporary.unlink()
            kept = "the one before is whole" if self.path.exists() else "there is none before it"
            why = os.strerror(error.errno or 0) if isinstance(error, OSError) else error
            raise Unwritable(
                f"the checkpoint {self.path} of step {content['step']} cannot be written "
                f"({str(why).lower()}); {kept}: make room and run the same command again"
            ) from error

    def remove(self) -> None:
        """Forget the training: its model has been written."""
        for path in (self.path, self._aside(self._made_from())):
            path.unlink(missing_ok=True)
        for part in self.path.parent.glob(f".{self.path.name}.*.part"):
            part.unlink(missing_ok=True)
