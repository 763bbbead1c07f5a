"""The command line: light to start, and kind where it cannot run."""

import subprocess
import sys

import pytest

from lacaf.cli.entry import check_system
from lacaf.fault import Fault


def test_another_system_is_refused_with_what_to_do():
    check_system("linux")
    with pytest.raises(Fault, match="WSL 2"):
        check_system("win32")


def test_the_commands_start_without_what_only_some_stages_need():
    code = (
        "import sys, lacaf.cli; heavy = {'torch', 'monai', 'mlflow', 'SimpleITK', 'pydicom', "
        "'matplotlib', 'numpy', 'pandas', 'scipy', 'transformers', 'snakemake'}; "
        "print(heavy & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_help_lists_every_stage():
    from lacaf.stages import BY_WORD

    ran = subprocess.run(
        [sys.executable, "-m", "lacaf", "--help"], capture_output=True, text=True, check=True
    )
    assert all(word in ran.stdout for word in BY_WORD)
