"""One run folder of each kind, made once, with its report."""

from types import SimpleNamespace

import pytest
from report_folders import FINDINGS, TISSUES, make_run

from medgraft.report import write_report

SMALL = {"patients": 120, "images": 260, "replicates": 40, "pictures": 6}
KINDS = {
    "binary": {},
    "classes": {"names": TISSUES, "images": 500},
    "many": {"names": TISSUES + FINDINGS[:4], "images": 700},
    "labels": {"names": FINDINGS, "kind": "independent", "empty_class": "Hernia", "images": 600},
    "one_label": {"names": ["mass"], "kind": "independent"},
    "nobody": {"patients_known": False, "rejects": 0, "pictures": 0},
    "phantoms": {"layout": "phantoms", "patients": 60, "seed": 1},
    "long": {"epochs": 0, "rejects": 200},
}


@pytest.fixture(scope="session", params=KINDS)
def written(request, tmp_path_factory):
    """A run of each kind: its folder, its page as text, and its evaluation."""
    return _written(request.param, tmp_path_factory)


@pytest.fixture(scope="session")
def binary(tmp_path_factory):
    return _written("binary", tmp_path_factory)


@pytest.fixture(scope="session")
def labels(tmp_path_factory):
    return _written("labels", tmp_path_factory)


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory):
    return _written("phantoms", tmp_path_factory)


@pytest.fixture(scope="session")
def nobody(tmp_path_factory):
    return _written("nobody", tmp_path_factory)


_made = {}


def _written(kind, tmp_path_factory):
    if kind not in _made:
        folder = make_run(tmp_path_factory.mktemp("runs") / kind, **{**SMALL, **KINDS[kind]})
        page = write_report(folder)
        _made[kind] = SimpleNamespace(kind=kind, folder=folder, page=page, html=page.read_text())
    return _made[kind]
