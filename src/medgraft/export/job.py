"""From a run to an exported file that has been checked, and an example beside it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medgraft.errors import ArgumentError, OutputError
from medgraft.export.answers import Answers
from medgraft.export.check import Checked, check
from medgraft.export.example import example
from medgraft.export.formats import Format, formats
from medgraft.export.images import sample
from medgraft.export.notes import notes_of, written
from medgraft.files import replacing, write_text
from medgraft.progress import bar
from medgraft.runs import RunFolder
from medgraft.train.predict import check_whole, load_predictor


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        file: The network.
        example: The program that uses it.
        checked: How far its answers are from those of the run.
    """

    file: Path
    example: Path
    checked: Checked


def export_run(
    run: RunFolder,
    out: Path,
    *,
    to: str = "onnx",
    tolerance: float = 1e-4,
    images: int = 32,
    force: bool = False,
) -> Exported:
    """Write a run as one file that maps prepared images in [0, 1] to probabilities by label.

    Normalisation and softmax or sigmoid are inside. The file names labels, preparation, licence
    and the hash of the weights, and says how it was checked.

    Args:
        run: A finished run.
        out: The file; ``<out>.example.py`` is written beside it.
        to: A registered format.
        tolerance: Largest difference of a probability from the run's own, above 0, at most 1.
        images: How many images of the test part to compare on, 1 or more.
        force: Write over earlier files.

    Raises:
        UnknownNameError: If there is no such format.
        MissingExtraError: If what it needs is not installed.
        ArgumentError: If `tolerance`, `images` or the ending of `out` is wrong, or the run answers
            with several networks or views.
        OutputError: If a file exists, or cannot be written.
        TableError: If the run is not finished.
        CheckRefusedError: If the file does not answer as the run does; none is left then.
    """
    format_ = formats.get(to)
    if not 0 < tolerance <= 1:  # false for NaN too
        raise ArgumentError(f"--tolerance must be above 0 and at most 1, got {tolerance}.")
    if images < 1:
        raise ArgumentError(f"--images must be at least 1, got {images}.")
    beside = _check_out(out, format_, force=force)
    format_.check_installed()
    predictor, record = load_predictor(run, "cpu")
    check_whole(run, record, what="export")
    _check_alone(run, record)
    with closing(bar(total=3, what=f"export to {to}", unit="step")) as shown:
        chosen = sample(run, record, most=images)
        shown.update()
        with replacing(out) as temporary:
            format_.write(Answers(predictor).eval(), _shape_of(record), temporary)
            shown.update()
            checked = check(format_.open(temporary), predictor, chosen, tolerance=tolerance)
            notes = {**notes_of(run, record), "checked": asdict(checked)}
            format_.annotate(temporary, written(notes))
            shown.update()
    write_text(beside, example(out.name, record))
    return Exported(out, beside, checked)


def _check_alone(run: RunFolder, record: dict[str, Any]) -> None:
    """Refuse a run whose answers, and so its threshold, are not those of one network and look."""
    networks, tta = 1 + len(record.get("members", [])), record.get("tta")
    if networks > 1 or tta is not None:
        raise ArgumentError(
            "an exported file answers with one network that looks at an image once, but"
            f" '{run.path}' answers with {networks} over the views {tta or 'none'}. Train with"
            " --combine average, and without --tta."
        )


def _check_out(out: Path, format_: Format, *, force: bool) -> Path:
    """Refuse a bad or taken name now; the name of the example."""
    if out.suffix != format_.suffix:
        raise ArgumentError(f"--out must end in {format_.suffix}, got '{out}'.")
    beside = out.with_name(f"{out.name}.example.py")
    for path in (out, beside):
        if path.is_dir():
            raise OutputError(f"--out must name a file, but '{path}' is a folder. Choose another.")
        if path.exists() and not force:
            raise OutputError(f"--out must name a new file, but '{path}' exists. Pass --force.")
    return beside


def _shape_of(record: dict[str, Any]) -> Tensor:
    """Two images of nothing: of a single one, the exporter could take the batch for fixed."""
    return torch.zeros(2, record["channels"], *record["input_size"])
