"""What a report says in sentences: the answer, its second line, and the warnings."""

from __future__ import annotations

from medgraft.report.contracts import Evaluation, Measured, Record
from medgraft.report.saved import Saved
from medgraft.report.words import count, interval, label, number, part, percent

FEW_PATIENTS = 100
NOT_A_DEVICE = (
    "This is research software and its output, not a medical device: it must not be used to"
    " diagnose, treat or triage patients."
)


def answer(saved: Saved) -> str:
    """The result in one sentence.

    The area under the ROC curve stands first, because it needs no threshold; where it is
    undefined the sentence says so and gives the accuracy.
    """
    evaluation = saved.evaluation
    if evaluation.of_masks:
        return f"On {subject(saved)}, {_named(evaluation, 'dice')}."
    auroc = evaluation.metrics.get("auroc", Measured())
    if auroc.value is not None:
        return f"On {subject(saved)}, {_named(evaluation, 'auroc')}."
    reason = f" ({auroc.reason.rstrip('.')})" if auroc.reason else ""
    accuracy = evaluation.metrics.get("accuracy")
    rest = (
        "" if accuracy is None or accuracy.value is None else f"; {_named(evaluation, 'accuracy')}"
    )
    return f"On {subject(saved)}, AUROC is undefined{reason}{rest}."


def subject(saved: Saved) -> str:
    """The images that were judged, and whether training had seen their patients."""
    evaluation, record = saved.evaluation, saved.record
    images = count(evaluation.n_images, "image")
    patients = count(evaluation.n_patients, "patient") if evaluation.n_patients else ""
    if record is None:
        return images + (f" of {patients}" if patients else "")
    if evaluation.split == "train":
        return f"{images} it was trained on"
    if evaluation.split == "val":
        return f"{images} of the validation part, which chose its best epoch"
    if patients and record.data.patients_known:
        return f"{images} of {patients} it never saw"
    return f"{images} kept out of training"


def _named(evaluation: Evaluation, metric: str) -> str:
    measured = evaluation.metrics[metric]
    name = label(metric) if metric in ("auroc", "dice") else label(metric).lower()
    if macro(evaluation) and not _overall(evaluation, metric):
        name = f"mean {name} over {_defined(evaluation, metric)}"
    bounds = (
        f" ({percent(evaluation.confidence)} interval {interval(measured)}, by {evaluation.unit})"
        if measured.low is not None
        else ""
    )
    return f"{name} {number(measured.value)}{bounds}"


def _overall(evaluation: Evaluation, metric: str) -> bool:
    """Whether a metric is one number for all classes: the share of images with the right class."""
    return evaluation.kind == "exclusive" and metric == "accuracy"


def _defined(evaluation: Evaluation, metric: str) -> str:
    known = [m.get(metric) for m in evaluation.classes.values()]
    defined = sum(one is not None and one.value is not None for one in known)
    whole = count(len(evaluation.names), "class", plural="classes")
    return whole if defined in (0, len(evaluation.names)) else f"{defined} of {whole}"


def means(evaluation: Evaluation) -> str:
    """Over what the metrics are means; empty where they are not."""
    if not macro(evaluation):
        return ""
    which = "Values but the accuracy" if _overall(evaluation, "accuracy") else "Values"
    return f"{which} are means over the classes."


def macro(evaluation: Evaluation) -> bool:
    """Whether the metrics are means over several classes."""
    return evaluation.positive is None and len(evaluation.names) > 1


def task(evaluation: Evaluation) -> str:
    """What was asked of the network."""
    names = evaluation.names
    if evaluation.of_masks:
        return f"Where is {names[0]}?" if len(names) == 1 else f"Where are {len(names)} classes?"
    if evaluation.positive is not None:
        others = [name for name in names if name != evaluation.positive]
        return (
            f"{evaluation.positive} or {others[0]}?"
            if len(others) == 1
            else f"{evaluation.positive}?"
        )
    if evaluation.kind == "exclusive":
        return f"Which of {len(names)} classes?"
    return f"{names[0]}?" if len(names) == 1 else f"Which of {len(names)} findings?"


def in_use(evaluation: Evaluation) -> str:
    """What the operating threshold means, in words; empty where there is none."""
    if evaluation.positive is None:
        return ""
    recall = evaluation.metrics.get("recall", Measured()).value
    specificity = evaluation.metrics.get("specificity", Measured()).value
    threshold = evaluation.threshold_of(evaluation.positive)
    if recall is None or specificity is None or threshold is None:
        return ""
    return (
        f"At its threshold of {number(threshold)} it finds {percent(recall, digits=1)} of"
        f" {evaluation.positive} and clears {percent(specificity, digits=1)} of the rest."
    )


def threshold(evaluation: Evaluation) -> str:
    """Which threshold, and how and where it was chosen."""
    if evaluation.threshold is None:
        return "No threshold: the likeliest class is the answer."
    if isinstance(evaluation.threshold, dict):
        which = "One threshold per class (see the table of classes)"
    else:
        which = f"Threshold {number(evaluation.threshold)}"
    rule = _rule(evaluation.threshold_rule)
    if not evaluation.threshold_split:
        return f"{which}{rule}."
    place = f", chosen on the {part(evaluation.threshold_split)} part"
    if evaluation.threshold_split == evaluation.split:
        return f"{which}{rule}{place}: the same images that it is judged on."
    return f"{which}{rule}{place} and then kept."


def _rule(rule: str | None) -> str:
    """How it was chosen; a rule that is a number was no choice.

    Examples:
        >>> _rule("youden"), _rule("0.5"), _rule("0.5 (default)"), _rule(None)
        (', by the rule “youden”', ', as it was given', ', the default', '')
    """
    if not rule:
        return ""
    if "default" in rule:
        return ", the default"
    return (
        ", as it was given" if rule == "given" or rule[0].isdigit() else f", by the rule “{rule}”"
    )


def warnings(saved: Saved) -> list[str]:
    """Everything that a reader must know before believing the numbers, worst first."""
    evaluation, record = saved.evaluation, saved.record
    found = [
        *([] if record is None else _of_run(record, evaluation)),
        *_of_rows(evaluation),
        *_undefined(evaluation),
        *([] if record is None else record.notes),
        *evaluation.notes,
    ]
    return list(dict.fromkeys(text[:1].upper() + text[1:] for text in found))


def _of_run(record: Record, evaluation: Evaluation) -> list[str]:
    found = []
    if record.data.synthetic:
        found.append(
            "Synthetic phantoms, not clinical data: these numbers say that the software works,"
            " and nothing about patients."
        )
    if record.status not in (None, "finished"):
        found.append(f"The run was {record.status} before its end; these are the results so far.")
    if evaluation.split in ("train", "val"):
        found.append(
            f"Judged on the {part(evaluation.split)} part, which training has used: expect less on new"
            " patients."
        )
    if not record.data.patients_known:
        found.append(
            "The patients are not known: images of one patient may lie on both sides of the"
            " split, and the intervals are by image and thus too narrow if patients have several."
            " Pass --patient-from when the index is made."
        )
    return found


def _of_rows(evaluation: Evaluation) -> list[str]:
    found = []
    if (
        evaluation.unit == "patient"
        and evaluation.n_patients
        and evaluation.n_patients < FEW_PATIENTS
    ):
        found.append(
            f"Only {count(evaluation.n_patients, 'patient')}: the intervals are wide, and say more"
            " than the values."
        )
    if evaluation.threshold_split is not None and evaluation.threshold_split == evaluation.split:
        found.append(
            "The threshold was chosen on the images it is judged on: all metrics that need a"
            " threshold are too good."
        )
    return found


def _undefined(evaluation: Evaluation) -> list[str]:
    reasons: dict[str, list[str]] = {}
    groups = {"": evaluation.metrics}
    if evaluation.positive is None:
        groups |= evaluation.classes
    for name, metrics in groups.items():
        for metric, measured in metrics.items():
            if measured.value is None:
                reason = (measured.reason or "no reason was recorded").rstrip(".")
                what = f"{label(metric)} of {name}" if name else label(metric)
                reasons.setdefault(reason, []).append(what)
    return [f"Undefined: {_some(what)} ({reason})." for reason, what in reasons.items()]


def _some(items: list[str], limit: int = 6) -> str:
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more
