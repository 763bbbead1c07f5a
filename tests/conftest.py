"""What tests share: the real CTs, where they are present."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real CTs; the test is skipped where it is absent."""
    folder = Path(os.environ.get("LACAF_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real CT here: set LACAF_REAL_DATA ({folder} does not exist)")
    return folder
