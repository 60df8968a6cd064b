"""Tiny files of every format, made anew by the libraries that define them."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def load_sample_module(name):
    spec = importlib.util.spec_from_file_location(
        f"sample_{name}", HERE / "samples" / f"sample_{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """A function from the name of a reader to its samples."""
    made = {}

    def samples_of(name):
        if name not in made:
            path = HERE / "samples" / f"sample_{name}.py"
            assert path.exists(), f"write {path}: make(folder) -> list[Sample]"
            made[name] = load_sample_module(name).make(tmp_path_factory.mktemp(name))
        return made[name]

    return samples_of


@pytest.fixture(scope="session")
def data():
    """The folder of real data; tests that need it are skipped where it is absent."""
    default = HERE.parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MEDGRAFT_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"real data are not at {folder}")
    return folder
