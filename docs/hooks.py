"""What MkDocs does not do by itself: the reference pages, and links that leave ``docs/``.

Pages of the reference are made while the site is built, from what the code declares, and are
kept nowhere. A link from a page to a file of the repository leads to a copy of that file in the
site, one to a package of ours to its page in the reference: the pages read well in the
repository and in the site alike. A link to nothing stops the build.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import reference_pages
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

REPOSITORY = Path(__file__).parents[1]
#: A role of reStructuredText before a name, as docstrings have it.
ROLE = re.compile(r":(?:mod|func|class|meth|attr|data):(?=<)")
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """List the pages of the functions in the navigation, below their first one."""
    first = "reference/api/index.md"
    for section in config.nav:
        for entries in section.values():
            for place, entry in enumerate(entries):
                if entry == {"Functions": first}:
                    others = [name for name, _ in reference_pages.api() if name != first]
                    entries[place] = {"Functions": [first, *others]}
    return config


def on_page_content(html: str, **_: Any) -> str:
    """Leave out the roles of docstrings: what follows is a name anyway."""
    return ROLE.sub("", html)


def on_files(files: Files, config: Any) -> Files:
    """Add the reference pages, and copies of the files that pages link outside ``docs/``."""
    for name, content in reference_pages.pages().items():
        files.append(File.generated(config, name, content=content))
    for file in files.documentation_pages():
        for target in map(_outside, _targets(file)):
            if target is not None and not _page_of(target):
                copy = _copy_of(target)
                if not files.get_file_from_path(copy):
                    source = str(REPOSITORY / target)
                    files.append(File.generated(config, copy, abs_src_path=source))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links that leave ``docs/`` to where their target is in the site."""
    here = PurePosixPath(page.file.src_uri).parent

    def led(link: re.Match[str]) -> str:
        target = _outside(_absolute(here, link[1]))
        if target is None:
            return link[0]
        place = _page_of(target) or _copy_of(target)
        return f"]({os.path.relpath(place, here)})"

    return LINK.sub(led, markdown)


def _targets(file: File) -> list[str]:
    here = PurePosixPath(file.src_uri).parent
    return [_absolute(here, link[1]) for link in LINK.finditer(file.content_string)]


def _absolute(here: PurePosixPath, link: str) -> str:
    """A link of a page, from the repository's root."""
    return os.path.normpath(PurePosixPath("docs", here, link))


def _outside(target: str) -> str | None:
    """A target that is a file or folder of the repository outside ``docs/``; None for others.

    Raises:
        PluginError: there is no such file or folder.
    """
    if target.startswith("docs/") or target == "docs":
        return None
    if not (REPOSITORY / target).exists():
        raise PluginError(f"a page links {target}, which is not in the repository")
    return target


def _page_of(target: str) -> str | None:
    """The reference page of one of our packages or modules."""
    parts = PurePosixPath(target).with_suffix("").parts
    if parts[:2] != ("src", "lacaf") or not re.search(r"\.py$|/[^.]+$", target):
        return None
    return f"reference/api/{parts[2]}.md" if len(parts) > 2 else "reference/api/index.md"


def _copy_of(target: str) -> str:
    """Where a copy of a file lies in the site; browsers show ``.txt`` and do not run it."""
    return f"files/{target}.txt"
