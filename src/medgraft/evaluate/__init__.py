"""Judge predictions: metrics, intervals, thresholds, curves. Needs numpy and scipy."""

from medgraft.evaluate.alc import alc
from medgraft.evaluate.confusion import confusion
from medgraft.evaluate.curves import (
    CalibrationCurve,
    PrecisionRecallCurve,
    RocCurve,
    calibration,
    precision_recall,
    roc,
)
from medgraft.evaluate.delong import Comparison, delong, delong_of_mean
from medgraft.evaluate.evaluation import choose_thresholds, evaluate
from medgraft.evaluate.holm import holm
from medgraft.evaluate.metrics.accuracy import accuracy
from medgraft.evaluate.metrics.auroc import auroc
from medgraft.evaluate.metrics.average_precision import average_precision
from medgraft.evaluate.metrics.brier import brier
from medgraft.evaluate.metrics.ece import calibration_error, ece
from medgraft.evaluate.metrics.f_beta import f05, f1, f2
from medgraft.evaluate.metrics.precision import precision
from medgraft.evaluate.metrics.recall import recall
from medgraft.evaluate.metrics.specificity import specificity
from medgraft.evaluate.paired import paired
from medgraft.evaluate.threshold import choose_threshold

__all__ = [
    "CalibrationCurve",
    "Comparison",
    "PrecisionRecallCurve",
    "RocCurve",
    "accuracy",
    "alc",
    "auroc",
    "average_precision",
    "brier",
    "calibration",
    "calibration_error",
    "choose_threshold",
    "choose_thresholds",
    "confusion",
    "delong",
    "delong_of_mean",
    "ece",
    "evaluate",
    "f05",
    "f1",
    "f2",
    "holm",
    "paired",
    "precision",
    "precision_recall",
    "recall",
    "roc",
    "specificity",
]
