"""Pages from templates: one file each, nothing fetched, text escaped."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from lacaf.classes import TABLE, UNKNOWN
from lacaf.report import errors, palette

WEB = resources.files("lacaf.report") / "web"


def render(template: str, chosen: str, **content: Any) -> str:
    """A page as HTML. Text is escaped; only our own charts, scripts and data are not.

    Args:
        template: a file of ``web/``.
        chosen: name of the palette that the page starts with.
        content: what the template names.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template).render(
        **content,
        chosen=chosen,
        palettes=palette.PALETTES,
        class_name=palette.CLASS_NAME,
        error_name=errors.ERROR_NAME,
        asset=lambda name: Markup(read(name)),
        data=data,
        setup=setup(),
        duration=duration,
    )


def read(name: str) -> str:
    """A template, script or style sheet."""
    return (WEB / name).read_text("utf-8")


def data(content: Any) -> Markup:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def setup() -> dict[str, Any]:
    """What the scripts need to know of classes, codes of errors and colours."""
    return {
        "classes": [{"value": row.value, "name": row.name, "vessel": row.vessel} for row in TABLE],
        "unknown": UNKNOWN,
        "codes": {code.name.lower(): int(code) for code in errors.Wrong},
        "palettes": {
            name: {"classes": one.classes, "errors": one.errors}
            for name, one in palette.PALETTES.items()
        },
        "right": palette.RIGHT_HEX,
        "not_known": palette.NOT_KNOWN_HEX,
        "backdrop": palette.BACKDROP_HEX,
    }


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"
