"""The table of bad and odd inputs, ``docs/odd_inputs.md``, made from a run.

cd tests && python -m odd.table      # run all kinds and write the table
"""

import tempfile
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from odd.kind import Kind, message, outcome, remedy

PAGE = Path(__file__).parents[2] / "docs" / "odd_inputs.md"
HEAD = """\
# Bad and odd inputs, and what happens
Each row is a kind of input that a test builds and hands to the real stage (`tests/odd`). The
outcome and the message are what the stage answered; the test fails if they change and this page
does not. To make the page anew:

    cd tests && python -m odd.table

**accepted**: the result is right and there is nothing to say. **flagged**: the result is right,
and the record says what is odd. **refused**: the case is left out with its reason; the rest of
the cohort goes on.
"""


def kinds() -> list[Kind]:
    """All kinds, stage by stage, in the order of their modules."""
    order = ("convert", "crop", "harmonize")
    modules = sorted(p.stem for p in Path(__file__).parent.glob("*_kinds.py"))
    found = [kind for name in modules for kind in import_module(f"odd.{name}").KINDS]
    return sorted(found, key=lambda kind: order.index(kind.stage))


def row(kind: Kind, record: Mapping[str, Any]) -> str:
    """A line of the table."""
    cells = (kind.what, outcome(record), message(record), remedy(record))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page(rows: Iterable[tuple[Kind, str]]) -> str:
    """The whole page: a table for each stage."""
    stages: dict[str, list[str]] = {}
    for kind, line in rows:
        stages.setdefault(kind.stage, []).append(line)
    text = HEAD
    for stage, lines in stages.items():
        text += f"\n## {stage.capitalize()} ({len(lines)} kinds)\n"
        text += "| what comes in | what happens | the message | what to do |\n|---|---|---|---|\n"
        text += "\n".join(lines) + "\n"
    return text


def main() -> None:
    """Run all kinds and write the page."""
    rows = []
    for kind in kinds():
        print(kind.id, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            rows.append((kind, row(kind, kind.run(Path(folder)))))
    PAGE.write_text(page(rows))
    print(f"{PAGE}: {len(rows)} kinds")


if __name__ == "__main__":
    main()
