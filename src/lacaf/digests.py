"""Digests: what something holds, in sixteen digits that change if and only if it does.

A stage's code is all that it truly imports: the modules of its own package and every module of
ours that they import, directly or through others. Comments, docstrings and layout do not count.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from lacaf.fault import Missing

#: A piece of Python code: strings before comments, since either may hold the other's sign.
WORD = re.compile(
    r"""(?P<string>[rRbBuUfF]{0,2}(?:\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}"""
    r"""|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))"""
    r"|(?P<comment>\#[^\n]*)|(?P<end>\n)|(?P<gap>(?:[ \t\f\r]|\\\n)+)"
    r"|(?P<name>\w+)|(?P<sign>[^\w\s])",
    re.DOTALL,
)
#: What follows a string that is a statement of its own.
FREE = re.compile(r"[ \t]*(?:\#[^\n]*)?(?:\n|$)")

PACKAGE = "lacaf"
ROOT = Path(__file__).parent

#: An import of ours, at any depth of a file. Found by its look: every command asks, and a syntax
#: tree costs many times as much.
IMPORT = re.compile(
    rf"^[ \t]*(?:from[ ]+({PACKAGE}[\w.]*)[ ]+import[ ]+(\([^)]*\)|[^\n]*)"
    rf"|import[ ]+({PACKAGE}[\w.]+))",
    re.MULTILINE,
)


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


@cache
def of_code(stage: str) -> str:
    """Digest of what a stage's code says.

    Of our own Python modules that is all that the stage imports, see :func:`imported`; of other
    files what lies in the stage's own package (page templates). The shipped codings do not
    count: a case depends on what its own coding means, see ``layout.section``.

    Raises:
        Missing: there is no such stage.
    """
    return digest([(file.relative_to(ROOT).as_posix(), _meaning(file)) for file in code(stage)])


@cache
def code(stage: str) -> tuple[Path, ...]:
    """The files that :func:`of_code` looks at, in a fixed order."""
    inside = (path for path in (ROOT / stage).rglob("*") if path.is_file())
    # What Python keeps of the code comes and goes while other commands run.
    others = (p for p in inside if p.suffix != ".py" and "__pycache__" not in p.parts)
    return tuple(sorted({*imported(stage), *others}))


@cache
def imported(stage: str) -> frozenset[Path]:
    """Files of the Python modules that a stage's package holds or imports, through others too.

    A package's ``__init__.py`` counts with each of its modules, since Python runs it; that of
    the whole package, which holds the version, does not.
    """
    waiting = list((ROOT / stage).rglob("*.py"))
    if not waiting:
        raise Missing(f"{ROOT / stage}: the code of stage {stage!r} is not there")
    found: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += _imports(file)
    return frozenset(found)


def _imports(file: Path) -> Iterator[Path]:
    """The files of our modules that a file imports."""
    for module, names, plain in IMPORT.findall(file.read_text(encoding="utf-8")):
        yield from _files(plain or module)
        for name in re.findall(r"\w+(?=\s*(?:,|\)|as\b|#|$))", names, re.MULTILINE):
            yield from _files(f"{module}.{name}")


def _files(module: str) -> Iterator[Path]:
    """The file of a module and ``__init__.py`` of the packages around it; none if it is none."""
    parts = module.split(".")[1:]
    place = ROOT.joinpath(*parts)
    if not parts or not (place.is_dir() or place.with_suffix(".py").is_file()):
        return
    packages = [ROOT.joinpath(*parts[: n + 1]) for n in range(len(parts))]
    yield from (p / "__init__.py" for p in packages if (p / "__init__.py").is_file())
    if not place.is_dir():
        yield place.with_suffix(".py")


def _meaning(file: Path) -> Any:
    """What a file says: of a Python file its words, without comments, docstrings and layout.

    The words are those of Python's tokenizer, found by one expression in less than half of its
    time; what the code compiles to would depend on Python's version.
    """
    if file.suffix != ".py":
        return digest_path(file)
    return _words(file.read_text(encoding="utf-8"))


def _words(text: str) -> list[str]:
    """The words of Python code, with the indentation of each line that begins a statement.

    A string that is a statement of its own says something to people alone.
    """
    words: list[str] = []
    depth, start = 0, True  # of brackets; whether a statement may begin here
    indentation = ""
    for found in WORD.finditer(text):
        kind, word = found.lastgroup, found.group()
        if kind == "gap" or kind == "comment":
            if start and kind == "gap":
                indentation = word
        elif kind == "end":
            start, indentation = (True, "") if depth == 0 else (start, indentation)
        elif start and kind == "string" and FREE.match(text, found.end()):
            start = False
        else:
            if start:
                words.append(f"\n{indentation}")
                start = False
            depth += (word in "([{") - (word in ")]}")
            words.append(word)
    return words
