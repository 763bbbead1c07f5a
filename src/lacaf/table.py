"""Tables as CSV, Markdown and LaTeX: full numbers in the first, readable ones in the others."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

#: Characters that LaTeX takes for commands or that its fonts lack, and how it writes them.
LATEX = str.maketrans(
    {
        **{sign: "\\" + sign for sign in "&%$#_{}"},
        "\\": "\\textbackslash{}",
        "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}",
        "–": "--",
        "−": "$-$",
        "±": "$\\pm$",
        "<": "$<$",
        ">": "$>$",
        "→": "$\\to$",
    }
)


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, and how many cases could not tell."""

    value: float | None
    low: float | None = None
    high: float | None = None
    unknown: int = 0


Cell = str | int | float | None | Estimate


#: What a column of estimates has beside it in CSV.
LIMITS = (" low", " high", " unknown")


@dataclass(frozen=True)
class Table:
    """A table that can be written in three formats.

    Attributes:
        name: its file name, without the ending.
        caption: what it shows, in a sentence.
        header: names of the columns.
        rows: text, integers, numbers, estimates; None is "not evaluated".
        text_columns: how many columns, from the left, are names.
    """

    name: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    text_columns: int = 1

    def formats(self) -> dict[str, str]:
        """The table in each format, by the ending of its file."""
        return {"csv": self.csv(), "md": self.markdown(), "tex": self.latex()}

    def csv(self) -> str:
        """Full numbers; an estimate has columns for its limits and for what is unknown."""
        estimated = [
            any(isinstance(row[i], Estimate) for row in self.rows) for i in range(len(self.header))
        ]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        limits = ("", *LIMITS)
        names = [
            [f"{name}{limit}" for limit in limits[: None if with_limits else 1]]
            for name, with_limits in zip(self.header, estimated, strict=True)
        ]
        writer.writerow(chain.from_iterable(names))
        for row in self.rows:
            fields = [
                _fields(value) if with_limits else [value]
                for value, with_limits in zip(row, estimated, strict=True)
            ]
            writer.writerow(chain.from_iterable(fields))
        return text.getvalue()

    def markdown(self) -> str:
        """Caption and table, as people read it in a terminal or on a page."""
        rows = [[cell(value) for value in row] for row in self.rows]
        return f"{self.caption}\n\n{markdown(self.header, rows, self.text_columns)}\n"

    def latex(self) -> str:
        """A table environment for the package booktabs."""
        numbers = len(self.header) - self.text_columns
        lines = [
            "\\begin{table}",
            f"\\caption{{{self.caption.translate(LATEX)}}}",
            f"\\label{{tab:{self.name}}}",
            f"\\begin{{tabular}}{{{'l' * self.text_columns}{'r' * numbers}}}",
            "\\toprule",
            _latex_line(self.header),
            "\\midrule",
            *(_latex_line([cell(value) for value in row]) for row in self.rows),
            "\\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
        ]
        return "\n".join(lines) + "\n"


def _fields(value: Cell) -> list[Cell]:
    """The fields of a column that holds estimates; a plain number is one without limits."""
    if isinstance(value, Estimate):
        return [value.value, value.low, value.high, value.unknown]
    return [value, None, None, None]


def _latex_line(texts: Sequence[str]) -> str:
    return " & ".join(text.translate(LATEX) for text in texts) + " \\\\"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    """A Markdown table with aligned columns: names to the left, numbers to the right."""
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(3, *(len(row[i]) for row in table)) for i in range(len(header))]
    rule = ["-" * w if i < text_columns else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    lines = [
        " | ".join(
            text.ljust(w) if i < text_columns else text.rjust(w)
            for i, (text, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in [table[0], rule, *table[1:]]
    ]
    return "\n".join(f"| {line} |" for line in lines)


def cell(value: Cell) -> str:
    """A value for readers: three decimals below 10, one from there; – for not evaluated.

    Whole numbers (counts) stay whole. An estimate shows its interval in brackets, then in round
    ones how many cases could not tell.
    """
    if value is None:
        return "–"
    if isinstance(value, Estimate):
        known = value.low is not None and value.high is not None
        limits = f" [{cell(value.low)}, {cell(value.high)}]" if known else ""
        return cell(value.value) + limits + (f" ({value.unknown})" if value.unknown else "")
    if isinstance(value, str | int):
        return str(value)
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
