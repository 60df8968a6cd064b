"""What Models Genesis and Semantic Genesis do to an image before it is restored.

Written from the papers' equations. Both methods are covered by patents in the United States
(10,956,785; 11,763,952; 12,469,315); using them may need a licence.
"""

from __future__ import annotations

from medgraft.pretext.distorter import Distorter, Stage
from medgraft.pretext.flips import Flips


def models_genesis(dims: int, *, as_published: bool = False) -> Distorter:
    """Shuffling, an intensity curve, and out- or in-painting (Zhou et al. 2021, MedIA 67).

    Image and target are mirrored together; then windows are shuffled with probability 0.5,
    values mapped with 0.9, and with 0.9 something is hidden: four times in five the outside, else
    the inside. One image in 200 stays as it is.

    Args:
        dims: Spatial axes, 2 or 3.
        as_published: With the numbers of the authors' code, not those of their papers: 10,000
            windows that read the undistorted image, two thirds hidden by out-painting on
            average, the last axis never mirrored.

    Examples:
        >>> distorter = models_genesis(2)
        >>> distorter.draw(1, (64, 64), seed=3).caption(0)
        'flip 1, nonlinear, outpaint'
    """
    flag = _flag(as_published)
    return Distorter(
        [
            Stage((f"local_shuffle:{flag}",), p=0.5),
            Stage(("nonlinear",), p=0.9),
            Stage((f"outpaint:{flag}", f"inpaint:{flag}"), p=0.9, weights=(0.8, 0.2)),
        ],
        dims,
        flips=Flips(as_published=as_published),
    )


def semantic_genesis(dims: int, *, as_published: bool = False) -> Distorter:
    """Elastic deformation, then exactly one of four changes (Haghighi et al. 2020, 2021).

    The target is the undeformed image. Nothing is mirrored.

    Args:
        dims: Spatial axes, 2 or 3.
        as_published: With the numbers of the authors' code: shuffling of 5 windows (which moves
            less than a voxel in a thousand), in- and out-painting with one window.
    """
    flag = _flag(as_published)
    shuffle, paint = (",windows=5", ",windows=1,again=1") if as_published else ("", "")
    return Distorter(
        [
            Stage(("elastic",)),
            Stage(
                (
                    f"local_shuffle:{flag}{shuffle}",
                    "nonlinear",
                    f"inpaint:{flag}{paint}",
                    f"outpaint:{flag}{paint}",
                )
            ),
        ],
        dims,
    )


def _flag(as_published: bool) -> str:  # noqa: FBT001
    return f"as_published={str(as_published).lower()}"
