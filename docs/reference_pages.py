"""The reference pages, as Markdown, from what the code declares.

A new key of ``params.yaml``, command, network, loss, coding, class, stage or module appears on
its page by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import typer
import yaml

from lacaf.classes import TABLE, Class
from lacaf.cli import app
from lacaf.coding import builtin
from lacaf.evaluate import metrics
from lacaf.model.losses import LOSSES
from lacaf.model.networks import NETWORKS
from lacaf.model.supervision import SUPERVISIONS
from lacaf.params import reference
from lacaf.params.embed import Encoder
from lacaf.stages import STAGES, Stage

REPOSITORY = Path(__file__).parents[1]
SOURCE = REPOSITORY / "src" / "lacaf"
DEFAULTS = REPOSITORY / "params" / "demo.yaml"

#: What each text encoder is.
ENCODERS = {
    "minilm": "all-MiniLM-L6-v2, a small sentence encoder whose weights come with the installation",
    "clip": "the text part of a CLIP model (`embed.clip_model`, `embed.clip_weights`)",
    "file": "vectors that you computed elsewhere, from the JSON that `embed.file` names",
    "onehot": "a control: each class has a vector of its own and no language",
    "random": "a control: random vectors of the same size (`embed.seed`)",
}


def pages() -> dict[str, str]:
    """All generated pages: path below ``docs/`` to Markdown."""
    return {
        "reference/params.md": params(),
        "reference/commands.md": commands(),
        "reference/registries.md": registries(),
        **dict(api()),
    }


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    cells = ([str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in lines)
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def params() -> str:
    """Every key of ``params.yaml`` with its values, unit, default and meaning."""
    keys = reference.keys(yaml.safe_load(DEFAULTS.read_text()))
    parts = [
        "# params.yaml\n\n"
        "Every key has to be there; the default is the value in `params/demo.yaml`, the file that "
        "ships. An unknown key or a bad value stops every command with the key's name. In YAML a "
        "number like `1e-3` needs a point (`1.0e-3`).\n\n"
        "Editors complete and explain the keys with the JSON Schema "
        "[params.schema.json](../../workflow/schemas/params.schema.json): "
        "see [your editor](../how/editor.md).\n"
    ]
    for section, (about, _) in reference.sections().items():
        rows = [
            (f"`{key.name}`", key.allowed, key.unit, f"`{_flow(key.default)}`", key.meaning)
            for key in keys
            if key.name.split(".")[0] == section
        ]
        head = ("key", "values", "unit", "default", "meaning")
        parts.append(f"## {section}\n\n{about}\n\n{table(head, rows)}")
    return "\n".join(parts)


def _flow(value: Any) -> str:
    """A value as it is written in YAML, in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def commands() -> str:
    """Every command with its arguments and options."""
    parts = [
        "# Commands\n\n"
        "`lacaf COMMAND --help` says the same. Commands run in a folder with `params.yaml` and "
        "`data/cases.csv`. A mistake that you can mend ends with one line and exit code 2.\n"
    ]
    for name, command in leaves(typer.main.get_command(app)):
        usage = " ".join(_usage(part) for part in command.params if part.name != "help")
        rows = [
            (", ".join(f"`{o}`" for o in (*part.opts, *part.secondary_opts)), _help(part))
            for part in command.params
            if part.name != "help"
        ]
        about = "\n\n".join(" ".join(p.split()) for p in (command.help or "").split("\n\n"))
        parts.append(
            f"## lacaf {name}\n\n{about}\n\n    lacaf {name} {usage}\n\n"
            + (table(("argument or option", "meaning"), rows) if rows else "")
        )
    return "\n".join(parts)


def leaves(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """The commands that do something, by their name with the groups that they are in."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


def _usage(part: Any) -> str:
    if part.param_type_name == "argument":
        name = part.name.upper() + ("…" if part.nargs == -1 else "")
        return name if part.required else f"[{name}]"
    return f"[{part.opts[0]}]"


def _help(part: Any) -> str:
    default = part.default
    stated = default is not None and default is not False and not callable(default)
    return (part.help or "") + (f" Default: `{default}`." if stated else "")


def registries() -> str:
    """The tables in which a new class, stage, network, loss or coding is one entry."""
    head = (
        "# Registries\n\nWhat you may want more of is declared once, in one table of the code, and "
        "found by its name. This page is made from those tables.\n"
    )
    parts = (
        f"## {title}\n\n{about}\n\n{table(columns.split(', '), rows)}"
        for title, about, columns, rows in _registries()
    )
    measured = (
        "## Metrics\n\nIn `src/lacaf/evaluate/metrics.py`; their definitions stand on a page of "
        "their own.\n\n" + metrics.reference()
    )
    return "\n".join((head, *parts, measured))


def _registries() -> Iterator[tuple[str, str, str, list[tuple[Any, ...]]]]:
    """Title, text, columns and rows of each registry."""
    yield (
        "Classes",
        "In `src/lacaf/classes.py`. 0 is background, 255 is unknown.",
        "value, name, vessel, side, in the mirror, prompt, colours, SNOMED CT",
        [_class(row) for row in TABLE],
    )
    yield (
        "Stages",
        "In `src/lacaf/stages.py`.",
        "word, record, folder, what it makes, reads, columns that decide, the coding decides",
        [_stage(row) for row in STAGES],
    )
    yield (
        "Networks",
        "In `src/lacaf/model/networks.py`; chosen by `train.network`.",
        "name, what it is, guided by language, patch a multiple of",
        [(f"`{n}`", row.about, _yes(row.language), row.multiple) for n, row in NETWORKS.items()],
    )
    yield (
        "Losses",
        "In `src/lacaf/model/losses.py`; weighed in `train.loss`.",
        "name, what it is",
        [(f"`{name}`", row.about) for name, row in LOSSES.items()],
    )
    yield (
        "Supervisions",
        "In `src/lacaf/model/supervision.py`; chosen by `train.supervision`.",
        "name, what it is, draws patches from the unlabelled lung, needs `train.ema`",
        [
            (f"`{name}`", row.about, _yes(row.everywhere), _yes(row.teacher))
            for name, row in SUPERVISIONS.items()
        ],
    )
    yield (
        "Encoders",
        "In `src/lacaf/embed/`; chosen by `train.encoder`.",
        "name, what it is",
        [(f"`{name}`", ENCODERS[name]) for name in get_args(Encoder)],
    )
    yield (
        "Codings",
        "In `src/lacaf/codings.yaml`; your own go into `params.yaml` ([how](../how/coding.md)).",
        "name, what it is, meanings, traps, source, licence",
        [
            (f"`{name}`", row.about, _meanings(row), row.traps, row.source, row.licence)
            for name, row in builtin().items()
        ],
    )


def _class(row: Class) -> tuple[Any, ...]:
    colours = ", ".join(f"{name} `{colour}`" for name, colour in row.colours.items())
    names = (row.value, f"`{row.name}`", row.vessel, row.side, f"`{row.mirror}`", row.phrase)
    return (*names, colours, " ".join(row.snomed))


def _stage(row: Stage) -> tuple[Any, ...]:
    names = (f"`{row.word}`", f"`{row.record}`", f"`{row.folder}/`", row.about)
    return (*names, ", ".join(row.reads), ", ".join(row.row), _yes(row.coding))


def _yes(it_is: bool) -> str:
    return "yes" if it_is else ""


def _meanings(coding: Any) -> str:
    told = coding.values or coding.patterns
    return ", ".join(f"`{key}` {meaning}" for key, meaning in told.items()) or "undeclared"


def api() -> Iterator[tuple[str, str]]:
    """A page a stage and shared room with all its public functions, and a list of the pages."""
    rooms = {
        path.stem: sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for path in sorted(SOURCE.iterdir())
        if path.name != "__init__.py" and (path.suffix == ".py" or (path / "__init__.py").exists())
    }
    lines = []
    for room, files in rooms.items():
        modules = [_module(file) for file in files if file.name != "__main__.py"]
        blocks = (f"::: {module}\n" for module in modules)
        yield f"reference/api/{room}.md", f"# lacaf.{room}\n\n" + "\n".join(blocks)
        lines.append(f"- [lacaf.{room}]({room}.md): {_first_line(files)}")
    yield (
        "reference/api/index.md",
        "# Functions\n\nEvery public function and class, by stage and shared room. A stage's way "
        "in is its module `stage`.\n\n" + "\n".join(lines) + "\n",
    )


def _module(file: Path) -> str:
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _first_line(files: Sequence[Path]) -> str:
    """The first sentence of a module's docstring; a package's own where it is one."""
    own = next((file for file in files if file.name == "__init__.py"), files[0])
    first = own.read_text(encoding="utf-8").removeprefix('"""').split('"""')[0]
    return " ".join(first.split("\n\n")[0].replace("``", "`").split())
