"""How numbers, durations, names and identities are written on a page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime

from medgraft.report.contracts import Measured

DASH = "–"
LABELS = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "f1": "F1",
    "f2": "F2",
    "f0.5": "F0.5",
    "brier": "Brier score",
    "iou": "IoU",
    "iou_over_thresholds": "IoU over thresholds",
    "hd95": "95 % Hausdorff distance",
    "surface_dice": "Surface Dice",
    "surface_distance": "Mean surface distance",
    "ece": "Calibration error",
}
MEANINGS = {  # in the order in which they are shown
    "auroc": "chance that a positive image scores above a negative one",
    "accuracy": "share of images that got the right answer",
    "recall": "share of the positive images that it finds (sensitivity)",
    "specificity": "share of the negative images that it clears",
    "precision": "share of its positive answers that are right",
    "f1": "harmonic mean of precision and recall",
    "f2": "like F1, recall counting more",
    "f0.5": "like F1, precision counting more",
    "average_precision": "area under precision over recall; chance level is the prevalence",
    "dice": "overlap: twice what both masks have, over the sum of their sizes",
    "iou": "overlap: what both masks have, over what either has",
    "iou_over_thresholds": "mean over thresholds 0.5 to 0.95 of the probability",
    "surface_dice": "share of both outlines that lies within the tolerance of the other",
    "hd95": "95 % of both outlines lie no farther from the other; lower is better",
    "surface_distance": "mean distance between the outlines; lower is better",
    "volume_difference": "predicted minus true volume; nearer zero is better",
    "brier": "mean squared error of the probability; lower is better",
    "ece": "mean gap between probability and frequency; lower is better",
}
PARTS = {"train": "training", "val": "validation"}
ORDER = tuple(MEANINGS)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_PATH = re.compile(r"""(?<![\w<])(?:[A-Za-z]:)?[^\s'"=,;:()\[\]]*[/\\][^\s'",;:()\[\]]+""")


def number(value: float | None, *, digits: int = 3) -> str:
    """A metric to three digits; what is not quite 0 or 1 is never written as 0 or 1.

    Examples:
        >>> number(0.98749), number(1.0), number(0.9997), number(0.0001), number(None)
        ('0.987', '1.000', '>0.999', '<0.001', 'undefined')
    """
    if value is None:
        return "undefined"
    step = 10.0**-digits
    if 1 - step / 2 <= value < 1:
        return f">{1 - step:.{digits}f}"
    if 0 < value < step / 2:
        return f"<{step:.{digits}f}"
    return f"{value:.{digits}f}"


def signed(value: float | None) -> str:
    """A difference with its sign; a small one gets as many digits as it takes to see it.

    Examples:
        >>> signed(0.0123), signed(-0.2), signed(0.0), signed(0.00021), signed(None)
        ('+0.012', '−0.200', '0.000', '+0.0002', 'undefined')
    """
    if value is None:
        return "undefined"
    if abs(value) < 1e-12:  # what is left of sums that cancel
        return "0.000"
    text = f"{value:+.1g}" if abs(value) < 0.0005 else f"{value:+.3f}"
    return text.replace("-", "−", 1) if value < 0 else text


def p_value(p: float) -> str:
    """A p-value as it is printed in a sentence.

    Examples:
        >>> p_value(0.0312), p_value(0.00002)
        ('p = 0.031', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def interval(measured: Measured) -> str:
    """Both ends of an interval, or a dash where there is none.

    Examples:
        >>> interval(Measured(value=0.987, low=0.981, high=0.992))
        '0.981–0.992'
        >>> interval(Measured(value=0.999, low=0.998, high=0.9999))
        '0.998 to >0.999'
    """
    if measured.low is None or measured.high is None:
        return DASH
    low, high = number(measured.low), number(measured.high)
    between = " to " if low[0] in "<>-" or high[0] in "<>-" else DASH
    return f"{low}{between}{high}"


def percent(share: float, *, digits: int = 0) -> str:
    """A share in percent.

    Examples:
        >>> percent(0.95), percent(0.123, digits=1)
        ('95 %', '12.3 %')
    """
    return f"{100 * share:.{digits}f} %"


def count(n: int | float | None, thing: str = "", *, plural: str | None = None) -> str:
    """A number of things, thousands apart.

    Examples:
        >>> count(1161, "image"), count(1, "patient"), count(None, "patient")
        ('1,161 images', '1 patient', 'unknown patients')
    """
    if n is None:
        return f"unknown {plural or thing + 's'}" if thing else "unknown"
    text = f"{n:,.0f}"
    return f"{text} {thing if n == 1 else plural or thing + 's'}" if thing else text


def duration(seconds: float) -> str:
    """Seconds as people say them.

    Examples:
        >>> duration(0.042), duration(7.25), duration(200), duration(4000)
        ('0.04 s', '7.2 s', '3 min 20 s', '1 h 6 min')
        >>> duration(0.004)  # never nothing
        'under 0.01 s'
    """
    if 0 < seconds < 0.01:
        return "under 0.01 s"
    if seconds < 60:
        return f"{seconds:.{2 if seconds < 1 else 1}f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def moment(text: str | None) -> str:
    """An ISO time to the minute, with its zone; what is no time is shown as it is.

    Examples:
        >>> moment("2026-03-01T14:02:33.1234+00:00"), moment(None)
        ('2026-03-01 14:02 UTC', 'not recorded')
    """
    if text is None:
        return "not recorded"
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    zone = f" {when.tzname()}" if when.tzinfo else ""
    return f"{when:%Y-%m-%d %H:%M}{zone}"


def part(split: str) -> str:
    """The name of a part of the split as people write it.

    Examples:
        >>> part("val"), part("test"), part("fold 3")
        ('validation', 'test', 'fold 3')
    """
    return PARTS.get(split, split)


def label(metric: str) -> str:
    """The name of a metric as people write it."""
    return LABELS.get(metric, metric.replace("_", " ").capitalize())


def in_order(metrics: Iterable[str]) -> list[str]:
    """Metrics in the order of `MEANINGS`, the area under the ROC curve first; unknown ones last.

    Examples:
        >>> in_order(["ece", "lift", "accuracy", "auroc"])
        ['auroc', 'accuracy', 'ece', 'lift']
    """
    return sorted(metrics, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


def clean(text: object) -> str:
    r"""Text without characters that neither HTML nor SVG may hold (NUL, lone surrogates).

    Examples:
        >>> clean("a\x00b")
        'a�b'
    """
    return _CONTROL.sub("\ufffd", str(text))


def shorten(text: str, length: int = 24) -> str:
    r"""One line of at most `length` characters, for a place with little room.

    Examples:
        >>> shorten("atypical  ductal\nhyperplasia", 16)
        'atypical ductal…'
    """
    line = " ".join(clean(text).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def alias(patient_id: str | None, salt: bytes) -> str:
    """A short stand-in for a patient's id, the same throughout one run.

    A page travels further than the data, and ids of patients are short and regular enough to
    be guessed from a plain hash. The salt is the hash of predictions.parquet, which stays in
    the run folder: whoever has it has the ids anyway, and nobody else can try ids out.

    Examples:
        >>> alias("P001", b"run a"), alias("P001", b"run b"), alias(None, b"run a")
        ('c8756c53', 'ad4eb405', 'unknown')
    """
    if patient_id is None:
        return "unknown"
    key = hashlib.sha256(salt).digest()
    return hashlib.blake2b(
        patient_id.encode("utf-8", "replace"), key=key, digest_size=4
    ).hexdigest()


def file_name(path: str) -> str:
    r"""The last part of a path, of either kind of slash.

    Examples:
        >>> file_name("/home/ann/scans/a.png"), file_name(r"C:\scans\b.dcm"), file_name("c.png")
        ('a.png', 'b.dcm', 'c.png')
    """
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def without_folders(text: str) -> str:
    """Prose in which every path is reduced to its last part; "images/second" stays.

    Examples:
        >>> without_folders("cannot read '/data/ann/x.png': truncated")
        "cannot read 'x.png': truncated"
        >>> without_folders("210 images/second")
        '210 images/second'
    """
    return _PATH.sub(lambda found: found[0] if _is_ratio(found[0]) else file_name(found[0]), text)


def _is_ratio(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z]+/[A-Za-z]+", text) is not None


def settings_without_folders(text: str) -> str:
    """A command or a recipe in which every path, however short, is reduced to its last part.

    Examples:
        >>> settings_without_folders("index: archive/ann.parquet")
        'index: ann.parquet'
        >>> settings_without_folders("out: runs/ann")
        'out: ann'
    """
    return _PATH.sub(lambda found: file_name(found[0]), text)
