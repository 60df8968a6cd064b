"""Run folders mirrored into MLflow. The folder stays the truth: nothing is read back from there."""

from __future__ import annotations

import csv
import logging
import math
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

from medgraft.errors import ArgumentError, MedgraftError
from medgraft.files import read_json
from medgraft.optional import require
from medgraft.runs import RunFolder

KEY = "medgraft.run"  # the tag by which a run is found again
MOST_LETTERS = 6000  # of a parameter, as MLflow has it
BATCH = 500  # metrics in one message; MLflow takes 1,000
ENDS = {"finished": "FINISHED", "stopped": "KILLED", "running": "FAILED"}
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # a server that is away must not hold up a study:
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # MLflow itself would ask for some minutes
}
ROW = {"step", "epoch", "seconds"}  # of history.csv, what is no metric


@dataclass(frozen=True)
class Tracker:
    """Where runs are mirrored to.

    Attributes:
        uri: Of MLflow: a server, or a database.
        experiment: Under which name.
        folder: Where an experiment that is new would keep copies of files; we make none.
    """

    uri: str
    experiment: str
    folder: Path

    @classmethod
    def of(cls, text: str, *, experiment: str, folder: Path) -> Tracker:
        """The tracker that --track names.

        Args:
            text: "mlflow" for `mlflow.db` in `folder`, or "mlflow:URI".
            experiment: Name to mirror under.
            folder: That of the runs.

        Raises:
            ArgumentError: If it is something else.
            MissingExtraError: If MLflow is not installed.

        Examples:
            >>> Tracker.of("mlflow:http://host:5000", experiment="films", folder=Path("runs")).uri
            'http://host:5000'
        """
        kind, _, uri = text.partition(":")
        if kind != "mlflow" or (uri and "://" not in uri):
            raise ArgumentError(
                "--track must be mlflow, or mlflow:URI such as mlflow:http://host:5000 or"
                f" mlflow:sqlite:////data/mlflow.db, got {text!r}."
            )
        _mlflow()
        folder = folder.absolute()
        return cls(uri or f"sqlite:///{folder / 'mlflow.db'}", experiment, folder)

    def mirror(self, run: RunFolder) -> None:
        """Copy what a run folder says; what goes wrong is a line on standard error, no more.

        A run that is mirrored again is the same run there, with what has been added since.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what MLflow warns of is not the user's doing
                _mirror(self, run)
        except Exception as error:  # noqa: BLE001 (whatever it is, it must not cost the run)
            said = str(error).strip().splitlines() or [type(error).__name__]
            print(  # noqa: T201
                f"'{run.path}' was not mirrored into {_shown(self.uri)}: {said[0]}", file=sys.stderr
            )


@contextmanager
def tracked(tracker: Tracker | None, run: RunFolder) -> Iterator[None]:
    """Mirror the run that is made in the block, however that ends; one that was not touched is not."""
    before = _stamp(run)
    try:
        yield
    finally:
        if tracker is not None and _stamp(run) != before and os.environ.get("RANK", "0") == "0":
            tracker.mirror(run)


def _stamp(run: RunFolder) -> int | None:
    return run.record.stat().st_mtime_ns if run.record.is_file() else None


def _mlflow() -> Any:
    """MLflow without its reports to its makers, and without its log."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    purpose = "--track mlflow"
    require("alembic", extra="mlflow", purpose=purpose)  # MLflow's own word comes too late
    require("sqlalchemy", extra="mlflow", purpose=purpose)
    return require("mlflow", extra="mlflow", purpose=purpose)


def _mirror(tracker: Tracker, run: RunFolder) -> None:
    from mlflow.entities import Metric, Param, RunTag

    record = read_json(run.record)
    _check_answers(tracker.uri)
    client = _mlflow().MlflowClient(tracker.uri)
    experiment = _experiment(client, tracker)
    key = f"{run.path.name} {record['started']}"
    found = client.search_runs([experiment], f"tags.`{KEY}` = '{_quoted(key)}'", max_results=1)
    known = found[0].data.params if found else {}
    one = found[0].info.run_id if found else _begun(client, experiment, run, record, key)
    params = [Param(name, text) for name, text in _params(run).items() if name not in known]
    tags = [RunTag(name, text) for name, text in _tags(run, record).items()]
    metrics = [Metric(*metric) for metric in _metrics(run, record)]
    for start in range(0, len(params), 100):  # as many as MLflow takes at a time
        client.log_batch(one, params=params[start : start + 100])
    for start in range(0, len(metrics), BATCH):
        client.log_batch(one, metrics=metrics[start : start + BATCH])
    client.log_batch(one, tags=tags)
    ended = record["finished"] and _milliseconds(record["finished"])
    client.set_terminated(one, ENDS.get(record["status"], "FAILED"), ended)


def _check_answers(uri: str) -> None:
    """Open a database before MLflow does, which tries a broken one for minutes."""
    if uri.startswith("http"):
        return
    from sqlalchemy import create_engine, inspect

    engine = create_engine(uri)
    try:
        inspect(engine).get_table_names()
    finally:
        engine.dispose()


def _experiment(client: Any, tracker: Tracker) -> str:
    found = client.get_experiment_by_name(tracker.experiment)
    if found is not None:
        return str(found.experiment_id)
    place = None if tracker.uri.startswith("http") else tracker.folder.as_uri()
    return str(client.create_experiment(tracker.experiment, artifact_location=place))


def _begun(
    client: Any, experiment: str, run: RunFolder, record: Mapping[str, Any], key: str
) -> str:
    start = _milliseconds(record["started"])
    made = client.create_run(experiment, start, tags={KEY: key}, run_name=run.path.name)
    return str(made.info.run_id)


def _params(run: RunFolder) -> dict[str, str]:
    import yaml

    recipe = yaml.safe_load(run.recipe.read_text(encoding="utf-8"))
    return {name: str(value)[:MOST_LETTERS] for name, value in recipe.items()}


def _tags(run: RunFolder, record: Mapping[str, Any]) -> dict[str, str]:
    """What is no setting and no number; the last three say where the files lie."""
    path = run.path.absolute()
    found = {
        "medgraft": record["medgraft"],
        "status": record["status"],
        "resumed": record.get("resumed", 0),
        "index": record.get("inputs", {}).get("index"),
        "processor": record.get("hardware", {}).get("processor"),
        "accelerator": record.get("hardware", {}).get("accelerator"),
        "folder": path,
        "report": run.report.absolute() if run.report.is_file() else None,
        "weights": run.weights.absolute() if run.weights.is_file() else None,
    }
    return {f"medgraft.{name}": str(value) for name, value in found.items() if value is not None}


def _metrics(run: RunFolder, record: Mapping[str, Any]) -> Iterator[tuple[str, float, int, int]]:
    """Name, value, time and step: the history, then what the test part said, with intervals."""
    start, last = _milliseconds(record["started"]), 0
    rows = _rows(run.history)
    times = accumulate(_number(row.get("seconds")) or 0.0 for row in rows)
    for row, seconds in zip(rows, times, strict=True):
        last = int(_number(row.get("step")) or 0)
        for name, text in row.items():
            value = None if name in ROW else _number(text)
            if value is not None:
                yield name, value, start + int(1000 * seconds), last
    if run.evaluation.is_file():
        moment = _milliseconds(record["finished"] or record["started"])
        for name, entry in read_json(run.evaluation).get("metrics", {}).items():
            for part in ("value", "low", "high"):
                value = _number(entry.get(part))
                if value is not None:
                    yield (
                        f"test/{name}" + ("" if part == "value" else f"/{part}"),
                        value,
                        moment,
                        last,
                    )


def _rows(history: Path) -> list[dict[str, str]]:
    if not history.is_file():
        return []
    with history.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _number(text: Any) -> float | None:
    """A finite number, or None: an empty cell, a word, or what MLflow would not draw."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _milliseconds(moment: str) -> int:
    return int(1000 * datetime.fromisoformat(moment).timestamp())


def _quoted(text: str) -> str:
    if "'" in text:
        raise MedgraftError(f"the name of a run must be free of apostrophes, got {text!r}.")
    return text


def _shown(uri: str) -> str:
    """A URI without the password that it may hold."""
    scheme, found, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if found else uri
