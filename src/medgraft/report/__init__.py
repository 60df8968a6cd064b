"""Saved results in, figures and pages out. Needs no torch, and computes nothing anew but curves."""

from medgraft.report.again import write_again
from medgraft.report.compare import write_comparison
from medgraft.report.generation import write_generation
from medgraft.report.page import write_any_report, write_evaluation_report, write_report
from medgraft.report.prepared import write_prepared
from medgraft.report.pretraining import write_pretraining
from medgraft.report.pretraining_study import write_pretraining_study
from medgraft.report.simulation import write_simulation
from medgraft.report.study import write_study
from medgraft.report.synthetic_study import write_synthetic_study
from medgraft.report.transfer import write_transfer
from medgraft.report.truncation import write_truncation

__all__ = [
    "write_again",
    "write_any_report",
    "write_comparison",
    "write_evaluation_report",
    "write_generation",
    "write_prepared",
    "write_pretraining",
    "write_pretraining_study",
    "write_report",
    "write_simulation",
    "write_study",
    "write_synthetic_study",
    "write_transfer",
    "write_truncation",
]
