"""Stage convert: what a hospital or a data set hands over, to HU with true geometry."""

from lacaf.convert.stage import convert

__all__ = ["convert"]
