"""Seeds that do not depend on the order in which things happen.

Every random choice draws from a generator made of the run's seed and the *names* of what is
chosen (``"augment", epoch, step``). Nothing is consumed from a shared stream, so a run that
was stopped and resumed, or spread over more workers, makes the same choices.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for one purpose.

    Examples:
        >>> derive(0, "shuffle", 3) == derive(0, "shuffle", 3)
        True
        >>> derive(0, "shuffle", 3) == derive(0, "shuffle", 4)
        False
    """
    text = repr((int(seed), *names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A numpy generator for one purpose."""
    return np.random.default_rng(derive(seed, *names))
