"""Report: pages that open offline, one for the run, one for the cohort and one a case."""

from lacaf.report.casepage import write_case
from lacaf.report.findings import gather
from lacaf.report.stage import report

__all__ = ["gather", "report", "write_case"]
