"""A whole tiny project with its pages, built once, and one browser to look at them."""

import browser
import mini
import pytest


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    built = mini.whole(tmp_path_factory.mktemp("project"))
    built.front = built.report()
    return built


# Of one file: a browser that lives on would be a child of every later test.
@pytest.fixture(scope="module")
def window(tmp_path_factory):
    if browser.found() is None:
        pytest.skip("no Chromium or Chrome here: install one (Debian: apt install chromium)")
    with browser.Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened
