"""Divide units among parts so that every part has its share of images and of each label."""

from __future__ import annotations

import numpy as np

from medgraft.seeds import generator

SWEEPS = 8  # rounds of improvement; one that moves nothing is the last
MARGIN = 1e-9  # chi-squared must fall by more than rounding, or units would move to and fro


def stratify(unit: np.ndarray, labels: np.ndarray, shares: np.ndarray, *, seed: int) -> np.ndarray:
    """Give each unit to one part.

    Units are taken large ones first, in an order that the seed decides, and each goes where
    it adds least to the distance from the wanted shares; then units are moved as long as that
    lessens the distance. It is chi-squared, the sum of (have - want)^2 / want over images and
    labels: a rare label counts as much as a common one, and large units are dealt to large
    and small parts in proportion (a plain square would give them all to the largest part,
    and patients with many images would never be tested).

    Args:
        unit: Unit of each image, shape (N,), in [0, U).
        labels: Which labels each image has, shape (N, K), 1 or 0.
        shares: Wanted share of the images in each part, shape (P,), summing to 1.
        seed: Decides between what is equally good.

    Returns:
        The part of each image, shape (N,), in [0, P). No part is empty if U >= P.
    """
    held = _held(unit, labels)  # (U, K + 1): images with each label, and images
    want = shares[:, None] * held.sum(axis=0)  # (P, K + 1)
    order = _order(held[:, -1], seed)
    part = _greedy(held, want, order)
    _fill_empty(part, held, len(shares))
    _improve(part, held, want, order)
    given: np.ndarray = part[unit]
    return given


def _held(unit: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Images with each label that occurs, and images, for each unit."""
    columns = np.concatenate([labels[:, labels.any(axis=0)], np.ones((len(unit), 1))], axis=1)
    held = np.zeros((int(unit.max()) + 1, columns.shape[1]))
    np.add.at(held, unit, columns)
    return held


def _order(size: np.ndarray, seed: int) -> np.ndarray:
    """Large units first, but with chance enough that seeds give different splits."""
    noise = generator(seed, "split").uniform(0, 2, len(size))
    return np.argsort(-(np.log2(size) + noise), kind="stable")


def _greedy(held: np.ndarray, want: np.ndarray, order: np.ndarray) -> np.ndarray:
    part = np.zeros(len(held), dtype=np.int64)
    have = np.zeros_like(want)
    for u in order:
        part[u] = _cost(have, want, held[u]).argmin()
        have[part[u]] += held[u]
    return part


def _cost(have: np.ndarray, want: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """How much chi-squared grows if `unit` (K + 1,) joins each part; shape (P,)."""
    cost: np.ndarray = (unit * (2 * (have - want) + unit) / want).sum(axis=1)
    return cost


def _fill_empty(part: np.ndarray, held: np.ndarray, parts: int) -> None:
    """Give an empty part the smallest unit of the part with most units."""
    for empty in range(parts):
        counts = np.bincount(part, minlength=parts)
        if counts[empty] == 0 and counts.max() > 1:
            rich = np.flatnonzero(part == counts.argmax())
            part[rich[held[rich, -1].argmin()]] = empty


def _improve(part: np.ndarray, held: np.ndarray, want: np.ndarray, order: np.ndarray) -> None:
    """Move units one at a time while chi-squared falls, never the last one of a part."""
    have = np.zeros_like(want)
    np.add.at(have, part, held)
    counts = np.bincount(part, minlength=len(want))
    for _ in range(SWEEPS):
        moved = False
        for u in order:
            here = part[u]
            have[here] -= held[u]
            cost = _cost(have, want, held[u])
            best = cost.argmin() if counts[here] > 1 and cost.min() < cost[here] - MARGIN else here
            have[best] += held[u]
            counts[here] -= 1
            counts[best] += 1
            part[u] = best
            moved |= bool(best != here)
        if not moved:
            return
