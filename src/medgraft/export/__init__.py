"""A trained run as one file that is used without medgraft, checked against the run."""

from __future__ import annotations

from medgraft.export.answers import Answers
from medgraft.export.job import Exported, export_run

__all__ = ["Answers", "Exported", "export_run"]
