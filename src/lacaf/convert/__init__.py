"""Stage convert: what a hospital or a data set hands over, to HU with true geometry."""

import sys

if "requests" not in sys.modules:
    # pydicom imports requests, for test files that nobody fetches here. Told that there is none,
    # it goes without, and every conversion starts by a fifteenth of a second sooner.
    sys.modules["requests"] = None  # type: ignore[assignment]
    import pydicom  # noqa: F401

    del sys.modules["requests"]

from lacaf.convert.stage import convert

__all__ = ["convert"]
