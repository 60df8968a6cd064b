"""All measures of a generator at once, beside the same measures of real images it never saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medgraft.evaluate.check import Floats
from medgraft.evaluate.frechet import frechet_of_counts
from medgraft.generate.quality.collapse import spread_of_counts, twins
from medgraft.generate.quality.copying import copies, copying
from medgraft.generate.quality.distances import check_sets, nearest
from medgraft.generate.quality.kernel import kernel_distance_of_counts
from medgraft.generate.quality.manifold import manifold
from medgraft.generate.quality.resampling import Entry, Resampling
from medgraft.progress import track


@dataclass(frozen=True)
class Features:
    """Features of a set of images.

    Attributes:
        rows: Shape (N, D).
        patients: Whose image each row is, shape (N,); None where every image stands for itself.
    """

    rows: Floats
    patients: Any = None

    def __len__(self) -> int:
        return len(self.rows)


def judge(
    training: Features,
    generated: Features,
    unseen: Features,
    *,
    everything: Floats | None = None,
    k: int = 5,
    replicates: int = 200,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare samples with the images that a generator learnt from, and do the same for unseen images.

    Args:
        training: Images that the generator learnt from, N of them.
        generated: Samples, as many: most measures depend on the numbers.
        unseen: Real images of other patients, as many or fewer.
        everything: Features of all training images, among which the nearest is looked for; those of
            `training` where None.
        k: Neighbours of the measures of the manifold.
        replicates: Bootstrap replicates of each interval.
        seed: Of the replicates.

    Returns:
        `generated` and `real` {measure: {value, low, high}}, where `real` is what the measures say of
        the unseen images (a generator need not be better than that), `copying` {share, low, high, p},
        and `nearest` (row among all training images, per sample).

    Raises:
        ShapeError, ArgumentError: If the sets cannot be compared.
    """
    check_sets(training.rows, generated.rows, least=2)
    known = training.rows if everything is None else everything
    rows, distance = nearest(generated.rows, known)
    _, unseen_distance = nearest(unseen.rows, known)
    found = copying(distance, unseen_distance, unseen.patients)
    tables = {}
    for name, others in track(
        (("generated", generated), ("real", unseen)), total=2, what="measure", unit="set"
    ):
        sizes = len(training), len(others)
        pair = Resampling.of(
            training.patients, others.patients, sizes, replicates=replicates, seed=seed
        )
        tables[name] = measured(training.rows, others.rows, pair, k=k)
        near = distance if others is generated else unseen_distance
        tables[name]["copies"] = pair.of_second(copies(near, unseen_distance))
    return {**tables, "copying": vars(found), "nearest": rows.tolist()}


def measured(first: Floats, second: Floats, pair: Resampling, *, k: int) -> dict[str, Entry]:
    """Every measure of a second set against a first, with intervals.

    Args:
        first: Real, shape (N, D).
        second: Shape (M, D).
        pair: Draws of both.
        k: Neighbours.
    """
    region = manifold(first, second, k)
    return {
        "frechet": pair.both(lambda a, b: frechet_of_counts(first, second, a, b), biased=True),
        "kernel": pair.both(lambda a, b: kernel_distance_of_counts(first, second, a, b)),
        "precision": pair.of_second(region.precise),
        "recall": pair.of_first(region.recalled),
        "density": pair.of_second(region.dense),
        "coverage": pair.of_first(region.covered),
        "spread": pair.both(lambda a, b: spread_of_counts(first, second, a, b)),
        "twins": pair.of_second(twins(first, second)),
    }
