"""The middle of the longest descent."""

from __future__ import annotations

import numpy as np

from medgraft.train.suggestions import suggestion


@suggestion("valley")
def valley(rates: np.ndarray, losses: np.ndarray) -> float:
    """The rate half way along the longest decreasing subsequence of the losses.

    Half way is 1/3 + 1/6 of its points, as in fastai 2. There the descent is taken to begin as many
    points before its end as it has members, which is too late wherever noise interrupts it; here
    its members are followed back one by one. Robust against early spikes, since one value more
    or less hardly changes a subsequence.

    Examples:
        >>> losses = np.array([5, 5, 5, 4, 3, 2, 1, 9, 9])
        >>> valley(np.arange(1, 10), losses)
        4.0
    """
    members = longest_descent(losses)
    return float(rates[members[len(members) // 3 + len(members) // 6]])


def longest_descent(losses: np.ndarray) -> list[int]:
    """Indices of the longest strictly decreasing subsequence, ascending.

    Of several it is the one that ends first, and that is nearest to its end.

    Examples:
        >>> longest_descent(np.array([3, 9, 7, 8, 5, 6, 4, 9]))
        [1, 3, 5, 6]
    """
    length = np.ones(len(losses), int)
    before = np.full(len(losses), -1)
    for place in range(1, len(losses)):
        higher = np.flatnonzero(losses[:place] > losses[place])
        if len(higher):
            best = higher[length[higher] == length[higher].max()][-1]
            length[place], before[place] = length[best] + 1, best
    members = [int(np.argmax(length))]
    while before[members[-1]] >= 0:
        members.append(int(before[members[-1]]))
    return members[::-1]
