"""Which part of the package may import which. The picture is in docs/explanation/architecture.md."""

import ast
from pathlib import Path

import medgraft

ROOT = Path(medgraft.__file__).parent
LAYERS = [  # lower rows know nothing of the rows above them; names in one row ignore each other
    {"errors"},
    {"registry", "progress", "machine"},
    {"worker"},
    {"spec", "meaning", "seeds", "files", "runs", "optional", "pool"},
    {"read", "nets", "evaluate", "phantoms", "fetch", "cluster", "tracking"},
    {"index", "ledger"},
    {"prepare", "augment"},
    {"train"},
    {"pretext", "generate", "active", "explain", "export", "advise"},
    {"study", "report", "web"},
    {"cli"},
]
HEIGHT = {name: height for height, row in enumerate(LAYERS) for name in row}
FREE_OF_TORCH = {
    "read",
    "index",
    "ledger",
    "prepare",
    "evaluate",
    "report",
    "phantoms",
    "fetch",
    "pool",
    "worker",
}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module


def files():
    for path in sorted(ROOT.rglob("*.py")):
        yield path, path.relative_to(ROOT).with_suffix("").parts[0]


def test_every_part_has_a_floor():
    assert {own for _, own in files()} - {"__init__"} <= HEIGHT.keys()


def test_imports_point_down():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, own in files()
        if own in HEIGHT
        for name in imported(path)
        if name.startswith("medgraft.")
        and (target := name.split(".")[1]) != own
        and HEIGHT[target] >= HEIGHT[own]
    ]
    assert not wrong, "\n".join(wrong)


def test_reading_and_judging_need_no_torch():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, own in files()
        if own in FREE_OF_TORCH
        for name in imported(path)
        if name.split(".")[0] in {"torch", "torchvision", "timm"}
    ]
    assert not wrong, "\n".join(wrong)


def test_reports_know_only_saved_results():
    allowed = {"errors", "registry", "spec", "seeds", "files", "runs", "progress", "optional"}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, own in files()
        if own == "report"
        for name in imported(path)
        if name.startswith("medgraft.")
        and name.split(".")[1] not in allowed | {"evaluate", "report"}
    ]
    assert not wrong, "\n".join(wrong)
