"""Advice on how to start from weights: how much to tune, where to cut, and why."""

from medgraft.advise.job import MOST, Advice, advise, flags
from medgraft.advise.scenario import ANSWERS, Answer, answer

__all__ = ["ANSWERS", "MOST", "Advice", "Answer", "advise", "answer", "flags"]
