"""Report: one self-contained page of the whole run, that opens offline."""

from lacaf.report.page import report

__all__ = ["report"]
