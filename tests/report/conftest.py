"""A whole tiny project with its pages, built once."""

import mini
import pytest


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    built = mini.whole(tmp_path_factory.mktemp("project"))
    built.front = built.report()
    return built
