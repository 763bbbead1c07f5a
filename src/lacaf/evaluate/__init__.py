"""Scores of a segmentation, on the CT's grid, in millimetres, only where the answer is known.

docs/metrics.md defines every number: formula, unit, rule for the empty and the unknown.
"""

from lacaf.evaluate.comparison import compare
from lacaf.evaluate.labels import coding
from lacaf.evaluate.rows import WHOLE, as_csv
from lacaf.evaluate.stage import evaluate, read_coverage, scales_of
from lacaf.evaluate.summary import summarize
from lacaf.evaluate.tables import headline, tables
from lacaf.evaluate.terminal import show

__all__ = [
    "WHOLE",
    "as_csv",
    "coding",
    "compare",
    "evaluate",
    "headline",
    "read_coverage",
    "scales_of",
    "show",
    "summarize",
    "tables",
]
