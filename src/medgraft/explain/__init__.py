"""Which parts of an image an answer came from: heat maps of a trained network."""

from __future__ import annotations

from medgraft.explain.explainers.grad_cam import grad_cam
from medgraft.explain.job import Explained, explain_answers, explain_files, explain_losses
from medgraft.explain.losses import Answer, top_losses
from medgraft.explain.stages import LEAST_CELLS, choose_stage

__all__ = [
    "LEAST_CELLS",
    "Answer",
    "Explained",
    "choose_stage",
    "explain_answers",
    "explain_files",
    "explain_losses",
    "grad_cam",
    "top_losses",
]
