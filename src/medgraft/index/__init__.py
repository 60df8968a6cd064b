"""Which images exist, whose they are, what is known of them, and how they are divided."""

from medgraft.index.table import Index
from medgraft.index.target import Target

__all__ = ["Index", "Target"]
