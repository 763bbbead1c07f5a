"""Files and folders that appear whole or not at all, never written in place."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lacaf.fault import Missing, Unwritable


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file that an earlier stage wrote.

    Raises:
        Missing: the stage has not been run.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise Missing(f"{path} is missing: run `snakemake {path}` first") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file as a new file, see :func:`write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file as a new one, never in place.

    A file that DVC's cache shares by a hard link keeps its old content there.

    Raises:
        Unwritable: there can be no such file.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise Unwritable(
            f"{path} cannot be written: {os.strerror(error.errno or errno.EIO).lower()}; "
            "mend that, or write elsewhere"
        ) from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON as people like to read it; NaN is not JSON and is refused."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of ``folder`` if the block ends well.

    Files are always new ones, never written in place: a file that a data cache shares by hard
    link is left alone.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
