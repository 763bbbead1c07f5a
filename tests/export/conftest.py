"""What the tests of exports share: a project with a cohort of one case of each kind."""

import shutil
from contextlib import chdir

import pytest
from cohort import lay_out_cohort


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """The project as it is before any test."""
    folder = tmp_path_factory.mktemp("kept")
    with chdir(folder):
        lay_out_cohort()
    return folder


@pytest.fixture
def project(kept, tmp_path, monkeypatch):
    """The project's folder, which is the working directory."""
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
