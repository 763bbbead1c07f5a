"""What tests share: the real CTs, where they are present, and one thread a test process."""

import os
from pathlib import Path

import pytest

# Before torch is imported: test processes share the cores, and threads that wait for each other
# across processes made the trainings ten times as slow.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the files that take long, and bring them into the list's order."""
    here = Path(__file__).parent
    lines = (here / "slow.txt").read_text().splitlines()
    slow = [here / line for line in lines if line and not line.startswith("#")]
    assert all(path.is_file() for path in slow), "slow.txt names a file that is not there"
    place = {path: number for number, path in enumerate(slow)}
    for item in items:
        if item.path in place:
            item.add_marker("slow")
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real CTs; the test is skipped where it is absent."""
    folder = Path(os.environ.get("LACAF_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real CT here: set LACAF_REAL_DATA ({folder} does not exist)")
    return folder
