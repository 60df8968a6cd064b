"""What all tests share."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with other work is no reason to fail.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

DATA = Path(os.environ.get("MEDGRAFT_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data():
    """Folder of real images; tests that need it are skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"real data are not at '{DATA}' (set MEDGRAFT_DATA)")
    return DATA


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Keep the tests out of the user's cache."""
    os.environ["MEDGRAFT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def quick_folder(tmp_path):
    """A folder in memory where there is one: for what is about logic, not about the disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)
