"""The command `medgraft evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    import polars as pl

    from medgraft.evaluate.table import Predictions
    from medgraft.runs import RunFolder


Words = Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint="")]  # empty if not given


@dataclass(frozen=True)
class Evaluate:
    """Judge predictions: metrics with intervals from resampled patients.

    TARGET is a run folder, or a table (csv, tsv, parquet) of predictions of any tool. A run is
    judged at thresholds chosen on its validation rows. A table needs --label, --probability
    and --out; one label column with several probability columns is a choice between classes,
    equal numbers of both are independent labels. With --tta a run first looks at its images again,
    in several views, and chooses its thresholds anew.

    Examples:
        medgraft evaluate runs/kermany --split test
        medgraft evaluate runs/kermany --tta corners --out judged/kermany-corners
        medgraft evaluate table.csv --label y --probability p --patient patient_id --out judged
        medgraft evaluate table.csv --label diagnosis --probability p_A,p_B,p_C --out judged
    """

    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TARGET")]
    """Run folder, or table of predictions."""
    label: Words = ()
    """Columns of the truth in a table, apart by spaces or commas."""
    probability: Words = ()
    """Columns of the probabilities in a table, apart by spaces or commas."""
    patient: str | None = None
    """Column of the patient in a table; without it images are resampled, and intervals too narrow."""
    classes: Words = ()
    """Names of the classes, where the probability columns do not tell them."""
    positive: str | None = None
    """Of two classes, the one that recall and precision speak of."""
    split: str = "test"
    """Which rows of a run to judge."""
    threshold: str | None = None
    """A number, youden, sensitivity:0.9 or specificity:0.9; a run's own rule, or 0.5, if not given."""
    tta: str | None = None
    """Views to average each answer of a run over, such as corners, or none; needs --out."""
    replicates: int = 1000
    """Bootstrap replicates."""
    seed: int = 0
    """Of the replicates."""
    out: Path | None = None
    """New folder for evaluation.json and the report; a run keeps them itself if not given."""

    def run(self) -> None:
        """Judge, print and save."""
        from medgraft.errors import ArgumentError

        if self.replicates < 0:
            raise ArgumentError(f"--replicates must not be negative, got {self.replicates}")
        if self.target.is_dir():
            self._judge_run()
        else:
            self._judge_table()

    def _judge_table(self) -> None:
        from medgraft.errors import ArgumentError
        from medgraft.evaluate.table import foreign, read_frame
        from medgraft.files import new_folder
        from medgraft.runs import RunFolder

        if self.tta is not None:
            raise ArgumentError(f"--tta is for runs, but '{self.target}' is a table. Leave it out.")
        frame = read_frame(self.target)
        label = _columns(self.label, frame.columns)
        probability = _columns(self.probability, frame.columns)
        for flag, given in (
            ("--label", label),
            ("--probability", probability),
            ("--out", self.out),
        ):
            if not given:
                raise ArgumentError(
                    f"a table needs --label, --probability and --out, but {flag} is missing."
                    f" Columns: {', '.join(frame.columns)}."
                )
        predictions = foreign(
            frame,
            label=label,
            probability=probability,
            patient=self.patient,
            classes=_columns(self.classes, ()),
            positive=self.positive,
        )
        _refuse_one_class(predictions)
        rule = self.threshold or "0.5"
        thresholds, notes = _choose(predictions, rule)
        folder = RunFolder(new_folder(self.out or Path()))
        if thresholds and _is_chosen(rule):
            notes = [
                f"The threshold was chosen by {rule} on the same rows that it is judged on:"
                " accuracy, recall, precision, F and specificity are optimistic.",
                *notes,
            ]
        found = self._evaluate(
            predictions,
            thresholds,
            rule,
            "the same rows" if _is_chosen(rule) else None,
            None,
            notes,
        )
        self._save_table(found, predictions, folder)

    def _save_table(
        self, found: dict[str, Any], predictions: Predictions, folder: RunFolder
    ) -> None:
        from medgraft.files import replacing, write_json

        with replacing(folder.predictions) as temporary:
            predictions.frame().write_parquet(temporary)
        write_json(folder.evaluation, found)
        _tell(found, folder.path)

    def _judge_run(self) -> None:
        from medgraft.files import check_free, new_folder, replacing, write_json
        from medgraft.runs import RunFolder

        self._refuse_table_flags()
        if self.out is not None:
            check_free(self.out)
        run = RunFolder.existing(self.target)
        recorded = _recorded(run)
        if recorded.get("kind") == "segmentation":
            self._judge_masks(run)
            return
        rule = self.threshold or _recorded_rule(recorded)
        table = self._table(run)
        judged, chosen_on = self._parts(table, run, recorded, rule)
        folder = run.path if self.out is None else new_folder(self.out)
        thresholds, notes = _choose(chosen_on, rule)
        if self.tta is not None:
            notes = [f"Every answer was computed again, with --tta {self.tta}.", *notes]
        found = self._evaluate(
            judged, thresholds, rule, "val" if _is_chosen(rule) else None, self.split, notes
        )
        write_json(folder / run.evaluation.name, found)
        if self.out is not None:
            with replacing(folder / run.predictions.name) as temporary:
                table.write_parquet(temporary)
        _tell(found, folder)

    def _judge_masks(self, run: RunFolder) -> None:
        """Judge the table of segmented images again: other replicates, another seed."""
        from medgraft.errors import ArgumentError
        from medgraft.evaluate.segmentation import evaluate_segmentation
        from medgraft.evaluate.table import read_frame
        from medgraft.files import new_folder, replacing, write_json

        for flag in ("tta", "threshold", "positive"):
            if getattr(self, flag) is not None:
                raise ArgumentError(f"--{flag} is for labels, and '{run.path}' learnt masks.")
        if self.split != "test":
            raise ArgumentError(
                f"a run of masks keeps what it said of the test part alone, got --split {self.split}."
            )
        table = read_frame(run.segmentation)
        found = evaluate_segmentation(
            table, split="test", replicates=self.replicates, seed=self.seed
        )
        folder = run.path if self.out is None else new_folder(self.out)
        write_json(folder / run.evaluation.name, found)
        if self.out is not None:
            with replacing(folder / run.segmentation.name) as temporary:
                table.write_parquet(temporary)
        _tell(found, folder)

    def _refuse_table_flags(self) -> None:
        from medgraft.errors import ArgumentError

        for flag in ("label", "probability", "patient", "classes"):
            if getattr(self, flag):
                raise ArgumentError(
                    f"--{flag} is for tables, but '{self.target}' is a folder: a run knows its own columns."
                )

    def _table(self, run: RunFolder) -> pl.DataFrame:
        """The predictions that the run saved, or those it makes now."""
        from medgraft.errors import ArgumentError
        from medgraft.evaluate.table import read_frame

        if self.tta is None:
            return read_frame(run.predictions)
        if self.out is None:
            raise ArgumentError(
                "--tta makes other predictions than those that the run keeps, and needs --out:"
                " a new folder for them and what they are worth."
            )
        from medgraft.train.again import predict_again

        return predict_again(run, tta=self.tta)

    def _parts(
        self, frame: pl.DataFrame, run: RunFolder, recorded: dict[str, Any], rule: str
    ) -> tuple[Predictions, Predictions]:
        """The rows to judge, and the rows to choose the threshold on."""
        import polars as pl

        from medgraft.errors import TableError
        from medgraft.evaluate.table import of_run

        positive = self.positive or recorded.get("positive")
        needed = [self.split]
        if recorded.get("unit") == "image":  # the run did not know its patients
            frame = frame.drop("patient_id", strict=False)
        if _is_chosen(rule):
            needed.append("val")
        parts = []
        for name in (self.split, needed[-1]):
            rows = frame.filter(pl.col("split") == name)
            if rows.is_empty():
                held = ", ".join(sorted(frame["split"].drop_nulls().unique().to_list()))
                raise TableError(
                    f"'{run.predictions}' must have rows of the split {name!r}, and has none."
                    f" Splits: {held}. Choose --split, or give --threshold a number."
                )
            parts.append(of_run(rows, kind=recorded.get("kind"), positive=positive))
        return parts[0], parts[1]

    def _evaluate(
        self,
        predictions: Predictions,
        thresholds: dict[str, float],
        rule: str,
        chosen_on: str | None,
        split: str | None,
        notes: list[str],
    ) -> dict[str, Any]:
        from medgraft.evaluate import evaluate

        return evaluate(
            predictions.truth,
            predictions.probability,
            names=predictions.names,
            kind=predictions.kind,
            patients=predictions.patients,
            thresholds=thresholds,
            threshold_rule=rule,
            threshold_split=chosen_on,
            split=split,
            positive=predictions.positive,
            replicates=self.replicates,
            seed=self.seed,
            notes=notes,
        )


def _columns(given: tuple[str, ...], known: Any) -> list[str]:
    """Names apart by commas, unless one with a comma is itself a column."""
    return [
        name
        for item in given
        for name in ([item] if item in known else (part.strip() for part in item.split(",")))
        if name
    ]


def _is_chosen(rule: str) -> bool:
    from medgraft.evaluate.threshold import parse_rule

    return parse_rule(rule)[0] != "fixed"


def _choose(predictions: Predictions, rule: str) -> tuple[dict[str, float], list[str]]:
    from medgraft.evaluate import choose_thresholds

    return choose_thresholds(
        predictions.truth,
        predictions.probability,
        names=predictions.names,
        kind=predictions.kind,
        rule=rule,
        positive=predictions.positive,
    )


def _recorded(run: RunFolder) -> dict[str, Any]:
    """What the run's own evaluation says of its labels; nothing where it has none."""
    from medgraft.files import read_json

    return dict(read_json(run.evaluation)) if run.evaluation.is_file() else {}


def _recorded_rule(recorded: dict[str, Any]) -> str:
    """How the run chose its threshold; youden where it did not choose one."""
    from medgraft.errors import ArgumentError
    from medgraft.evaluate.threshold import parse_rule

    rule = str(recorded.get("threshold_rule") or "youden")
    try:
        parse_rule(rule)
    except ArgumentError:  # such as "highest probability"
        return "youden"
    return rule


def _refuse_one_class(predictions: Predictions) -> None:
    """Refuse a table that can judge nothing."""
    from medgraft.errors import UndefinedMetricError

    both = ((predictions.truth == 1).any(axis=0) & (predictions.truth == 0).any(axis=0)).any()
    if not both:
        positives = int((predictions.truth == 1).any(axis=1).sum())
        raise UndefinedMetricError(
            f"the label must have both classes, but of {len(predictions.truth)} rows {positives} are"
            " positive and the others negative, uncertain or blank. Check --label, or add rows."
        )


def _tell(found: dict[str, Any], folder: Path) -> None:
    from medgraft.cli._evaluation import show
    from medgraft.report import write_any_report

    page = write_any_report(folder)  # first, so that `| head` does not stop it
    show(found)
    print(f"\n{page}")
