"""Report: pages that open offline, one for the run, one for the cohort and one a case."""

from lacaf.report.casepage import write_case
from lacaf.report.findings import gather
from lacaf.report.stage import report
from lacaf.report.studypage import study_charts, study_page

__all__ = ["gather", "report", "study_charts", "study_page", "write_case"]
