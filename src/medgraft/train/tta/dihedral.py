"""Quarter turns and mirrorings: no pixel is computed, only moved."""

from __future__ import annotations

import numpy as np

from medgraft.augment.geometry import symmetry_matrices
from medgraft.train.tta import View, Views, view


@view("dihedral")
class Dihedral(Views):
    """The image turned and mirrored in every way that keeps its shape, all of equal weight.

    Of a square these are eight, of another rectangle four. For images without an up and a down,
    such as patches of tissue; not for films of a patient.
    """

    flip: bool = True
    """Whether to mirror as well; false leaves the turns alone (four of a square)."""

    def of(self, shape: tuple[int, int]) -> tuple[View, ...]:
        """The image as it is first."""
        every = symmetry_matrices(shape)
        kept = [m for m in every if self.flip or np.linalg.det(m) > 0]
        return tuple(View(1 / len(kept), matrix) for matrix in kept)
