"""The page of any folder again, from what is on disk: the folder says what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medgraft.errors import ArgumentError, TableError
from medgraft.files import read_json
from medgraft.report.advice import write_advice
from medgraft.report.discovery import write_discovery
from medgraft.report.page import write_any_report
from medgraft.report.pretraining_study import write_pretraining_study
from medgraft.report.simulation import write_simulation
from medgraft.report.study import write_study
from medgraft.report.synthetic_study import write_synthetic_study
from medgraft.report.transfer import write_transfer
from medgraft.runs import RunFolder

REPLICATES = 1000  # where an experiment that has no page yet does not say how many


@dataclass(frozen=True)
class Kind:
    """A folder with many runs, or without any.

    Attributes:
        name: What people call it.
        file: By which it is known.
        key: That this file has, and that of no kind before it has.
        results: File of its numbers, which says how they were made; None if there is no choice.
        write: Writes its page.
    """

    name: str
    file: str
    key: str
    results: str | None
    write: Callable[..., Path]


KINDS = (
    Kind("a study", "experiment.json", "planned", None, write_study),
    Kind("a transfer study", "experiment.json", "arms", "transfer.json", write_transfer),
    Kind(  # before the next, whose key it has as well
        "a study of generated images",
        "experiment.json",
        "keep",
        "generate-study.json",
        write_synthetic_study,
    ),
    Kind(
        "a pretraining study",
        "experiment.json",
        "starts",
        "pretrain-study.json",
        write_pretraining_study,
    ),
    Kind("a simulation", "simulation.json", "settings", "results.json", write_simulation),
    Kind("advice", "advice.json", "stages", None, write_advice),
    Kind("a discovery", "discovery.json", "shown", None, write_discovery),
)


def write_again(folder: Path, *, out: Path | None = None) -> Path:
    """Write the page of a folder anew, with as many replicates as it had.

    Args:
        folder: Of a run, an evaluation, or one of `KINDS`.
        out: Of a run or an evaluation: where to write instead.

    Raises:
        TableError: If the folder is nothing of the kind, or a file in it is not as it must be.
        ArgumentError: If `out` is given for a page whose links lead into the folder.
        TrainingError: If nothing in it is finished yet.
    """
    folder = Path(folder)
    kind = find_kind(folder)
    if kind is None:
        _check_run(folder)
        return write_any_report(folder, out=out)
    if out is not None:
        raise ArgumentError(
            f"--out is for the page of a run, but '{folder}' is {kind.name}, whose page links to"
            " what lies beside it. Leave --out out."
        )
    if kind.results is None:
        return kind.write(folder)
    before = folder / kind.results
    made: Mapping[str, Any] = read_json(before) if before.is_file() else {}
    return kind.write(
        folder, replicates=made.get("replicates", REPLICATES), seed=made.get("seed", 0)
    )


def find_kind(folder: Path) -> Kind | None:
    """What a folder is; None for a run, an evaluation, and anything else."""
    for kind in KINDS:
        path = folder / kind.file
        if path.is_file():
            said = read_json(path)
            if isinstance(said, dict) and kind.key in said:
                return kind
    return None


def _check_run(folder: Path) -> None:
    run = RunFolder(folder)
    if not any(
        path.is_file() for path in (run.record, run.evaluation, run.pretext, run.generation)
    ):
        files = dict.fromkeys(["run.json", "evaluation.json", *(kind.file for kind in KINDS)])
        raise TableError(
            f"a report needs the folder of a run, an evaluation, {', '.join(k.name for k in KINDS)},"
            f" but '{folder}' holds none of {', '.join(files)}."
        )
