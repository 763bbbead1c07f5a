"""Scores of a segmentation, on the CT's grid, in millimetres, only where the answer is known.

docs/metrics.md defines every number: formula, unit, rule for the empty and the unknown.
"""

from lacaf.evaluate.case import evaluate, show
from lacaf.evaluate.comparison import compare
from lacaf.evaluate.summary import summarize, table

__all__ = ["compare", "evaluate", "show", "summarize", "table"]
