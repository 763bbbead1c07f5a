"""A whole tiny project with its page, built once."""

import mini
import pytest


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    built = mini.whole(tmp_path_factory.mktemp("project"))
    built.page = built.report()
    return built
