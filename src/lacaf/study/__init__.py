"""Many experiments, each with several seeds, scored on the test cases and set side by side."""

from lacaf.study.scores import Scored, as_csv, means, read, row
from lacaf.study.stage import study
from lacaf.study.tables import everything, tables

__all__ = ["Scored", "as_csv", "everything", "means", "read", "row", "study", "tables"]
