"""The scores of a case as one row a number: what the long table and ``--csv`` hold."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from lacaf.evaluate.metrics import PARTS, unit

#: What a row says, after the columns that say whose it is.
NUMBER = ("against", "subject", "part", "metric", "unit", "value", "state")

#: The part of numbers about the whole of a subject.
WHOLE = "all"


def rows(details: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The numbers of a case.

    Args:
        details: what ``evaluate`` returns.

    Yields:
        ``against``, ``subject`` (a class, a group, ``mean``, or a side of identity), ``part``
        (``all``, a calibre band, a generation), ``metric``, ``unit``, ``value`` (None: not
        evaluated), ``state``: ``unknown`` where the reference does not know the answer,
        ``undefined`` where there is none (a share of nothing), ``missed`` for a subject of which
        nothing was found, else ``scored``. Parts that the reference lacks make no rows.
    """
    for against, scores in details["against"].items():
        kinds = (scores["classes"], scores["groups"], {"mean": scores["mean"]}, scores["identity"])
        for subject, entry in chain.from_iterable(kind.items() for kind in kinds):
            state = "missed" if entry.get("missed") else "scored"
            without = "undefined" if _is_known(entry) else "unknown"
            for part, numbers in _parts(entry):
                for metric, value in numbers.items():
                    yield {
                        "against": against,
                        "subject": subject,
                        "part": part,
                        "metric": metric,
                        "unit": unit(metric),
                        "value": None if value is None else float(value),
                        "state": without if value is None else state,
                    }


def _is_known(entry: Mapping[str, Any]) -> bool:
    """Whether the reference knows a subject; of a side, only what has no answer is None."""
    if "classes_scored" in entry:
        return bool(entry["classes_scored"])
    return entry.get("state", "unknown") != "unknown"


def _parts(entry: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield WHOLE, {k: v for k, v in entry.items() if k not in ("state", *PARTS)}
    for kind in PARTS:
        for part, numbers in (entry.get(kind) or {}).items():
            if any(v for k, v in numbers.items() if k.startswith("reference") and v):
                yield part, dict(numbers)


def as_csv(details: Mapping[str, Any]) -> str:
    """The numbers of a case as CSV with a header; an empty value was not evaluated."""
    text = io.StringIO()
    writer = csv.DictWriter(text, NUMBER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(details))
    return text.getvalue()
