"""What a stage leaves behind for a case: a folder, and in it one record in JSON.

The record says what was decided, or why the case was refused, and from what the folder was
made (digests of inputs, parameters and code). A folder appears whole or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import CodeType
from typing import Any

from lacaf.fault import Fault

#: The file that holds a stage's record of a case.
RECORD = {
    "phantom": "phantom.json",
    "convert": "source.json",
    "crop": "box.json",
    "harmonize": "coverage.json",
    "infer": "prediction.json",
    "evaluate": "scores.json",
}

#: Shared rooms whose code decides what the per-case stages write.
SHARED_ROOMS = ("volume", "nifti", "coverage", "coding")


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


def read(folder: Path, stage: str) -> dict[str, Any]:
    """The record of a stage in a case's folder.

    Raises:
        Missing: the stage has not been run for this case.
    """
    path = folder / RECORD[stage]
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


def carry_out(
    stage: str,
    case: str,
    folder: Path,
    made_from: Mapping[str, Any],
    work: Callable[[Path], Mapping[str, Any]],
    upstream: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Run a stage for one case and leave its folder behind, whole, with its record.

    Args:
        stage: the stage's word.
        case: the case's name.
        folder: where the result goes; replaced as a whole.
        made_from: what the result depends on, see :func:`made_from`.
        work: gets an empty folder, writes the result's files into it and returns the details
            for the record; raises :class:`Refusal` if the case cannot be used.
        upstream: record of the stage before; if that one refused the case, so does this.

    Returns:
        The record: ``case``, ``stage``, ``status`` (ok, refused), ``refusal``, ``made_from``
        and the details.
    """
    record: dict[str, Any] = {"case": case, "stage": stage, "status": "ok"}
    with replacing(folder) as temporary:
        if upstream is not None and upstream["status"] == "refused":
            record |= {"status": "refused", "refusal": upstream["refusal"]}
        else:
            try:
                record |= work(temporary)
            except Refusal as refusal:
                for leftover in temporary.iterdir():
                    shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
                record |= {"status": "refused", "refusal": {"stage": stage, **refusal.details}}
        record["made_from"] = dict(made_from)
        write_json(temporary / RECORD[stage], record)
    return record


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


def digest(content: Any) -> str:
    """Digest (16 hex digits) of a value that JSON can hold."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_path(path: Path) -> str:
    """Digest (16 hex digits) of a file's bytes, or of a folder's names and bytes.

    Raises:
        Missing: there is no such file or folder.
    """
    if not path.exists():
        raise Missing(f"{path} is missing: run `snakemake {path}` first")
    total = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        if file.name == ".snakemake_timestamp":
            continue
        if path.is_dir():
            total.update(file.relative_to(path).as_posix().encode())
        with file.open("rb") as handle:
            total.update(hashlib.file_digest(handle, "sha256").digest())
    return total.hexdigest()[:16]


def digest_code(*rooms: str) -> str:
    """Digest of what a stage's code says: comments, docstrings and layout do not count.

    ``rooms`` are the stage and the rooms that only it uses; those that all stages share count
    anyway. Files that are no Python (codings, page templates) count as they are.
    """
    here = Path(__file__).parent
    files = sorted(here.glob("*.yaml"))
    for name in (*rooms, *SHARED_ROOMS):
        inside = sorted(p for p in (here / name).rglob("*") if p.is_file() and p.suffix != ".pyc")
        files += inside or [here / f"{name}.py"]
    return digest([(f.relative_to(here).as_posix(), _meaning(f)) for f in files])


def _meaning(file: Path) -> str:
    """What a file says: of a Python file what it compiles to, without docstrings and lines.

    Every command asks for it, and a syntax tree would take it more than twice as long.
    """
    if file.suffix != ".py":
        return digest_path(file)
    return repr(_said(compile(file.read_text(), "", "exec", dont_inherit=True, optimize=2)))


def _said(part: Any) -> Any:
    """A compiled piece of code, or one of its constants, as plain values in a fixed order."""
    if isinstance(part, frozenset):
        return sorted(repr(_said(item)) for item in part)
    if not isinstance(part, CodeType):
        return part
    names = (part.co_names, part.co_varnames, part.co_freevars, part.co_cellvars)
    arguments = (part.co_argcount, part.co_posonlyargcount, part.co_kwonlyargcount, part.co_flags)
    constants = [_said(constant) for constant in part.co_consts]
    return part.co_name, arguments, part.co_code, part.co_exceptiontable, names, constants


def made_from(
    stage: str, params: Any, inputs: Mapping[str, Path], row: Any = None
) -> dict[str, Any]:
    """What a result depends on: digests of the stage's code, parameters, table row and inputs."""
    return {
        "code": digest_code(stage),
        "params": digest(params),
        "row": digest(row),
        "inputs": {name: digest_path(path) for name, path in inputs.items()},
    }
