"""What all tests share."""

import os
import shutil
import sys
import tempfile
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


@pytest.fixture(scope="session")
def ray_here():
    """An environment for an embedded Ray or a cluster; skips where Ray is absent."""
    # short: the path of a socket holds 107 letters
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("RAY_TMPDIR", folder),
            ("RAY_AUTH_MODE", "token"),
            ("RAY_AUTH_TOKEN", "7" * 64),  # one for all: a process reads it once
            ("RAY_USAGE_STATS_ENABLED", "0"),
            ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0"),  # 127.0.0.1 alone
            ("PYTHONPATH", os.pathsep.join(path for path in sys.path if path)),
        ):
            patch.setenv(name, value)
        pytest.importorskip("ray", reason='Ray is not installed: pip install "medgraft[cluster]"')
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def two_nodes(ray_here):
    """A cluster of two nodes with one processor each; the second one, `doomed`, can be killed."""
    from ray.cluster_utils import Cluster

    lean = {"include_log_monitor": False, "object_store_memory": 80 * 2**20}
    nodes = Cluster(
        initialize_head=True,
        head_node_args={"no_monitor": True, "include_dashboard": False, **lean},
    )
    try:
        nodes.doomed = nodes.add_node(**lean)
        yield nodes
    finally:
        nodes.shutdown()
