"""The measures in loops over voxels, slow and plain: what the real code must agree with."""

import math

import numpy as np


def voxels(mask):
    return [at for at in np.ndindex(mask.shape) if mask[at]]


def surface(mask):
    inside = set(voxels(mask))
    return [
        at
        for at in inside
        if any(
            (*at[:axis], at[axis] + step, *at[axis + 1 :]) not in inside
            for axis in range(len(at))
            for step in (-1, 1)
        )
    ]


def far(a, b, spacing):
    return math.sqrt(sum(((i - j) * s) ** 2 for i, j, s in zip(a, b, spacing, strict=True)))


def directed(one, other, spacing):
    """Distance of every boundary voxel of `one` to the nearest one of `other`, all pairs tried."""
    return [min(far(a, b, spacing) for b in surface(other)) for a in surface(one)]


def joined(truth, prediction, spacing):
    return directed(truth, prediction, spacing) + directed(prediction, truth, spacing)


def percentile(values, share):
    """Linear between neighbours of the sorted values."""
    values = sorted(values)
    place = share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


def iou(truth, prediction):
    a, b = set(voxels(truth)), set(voxels(prediction))
    return len(a & b) / len(a | b) if a | b else 1.0


def empties(both, one=None):
    """Dress a definition that speaks of two non-empty masks in the declared policy."""

    def dress(formula):
        def twin(truth, prediction, spacing, tolerance):
            if not truth.any() and not prediction.any():
                return both
            if not truth.any() or not prediction.any():
                return one
            return formula(truth, prediction, spacing, tolerance)

        return twin

    return dress


@empties(1.0, 0.0)
def dice(truth, prediction, spacing, tolerance):
    a, b = set(voxels(truth)), set(voxels(prediction))
    return 2 * len(a & b) / (len(a) + len(b))


@empties(0.0)
def hd95(truth, prediction, spacing, tolerance):
    return percentile(joined(truth, prediction, spacing), 0.95)


@empties(0.0)
def surface_distance(truth, prediction, spacing, tolerance):
    distances = joined(truth, prediction, spacing)
    return sum(distances) / len(distances)


@empties(1.0, 0.0)
def surface_dice(truth, prediction, spacing, tolerance):
    distances = joined(truth, prediction, spacing)
    return sum(d <= tolerance + 1e-9 for d in distances) / len(distances)


def volume_difference(truth, prediction, spacing, tolerance):
    return (len(voxels(prediction)) - len(voxels(truth))) * math.prod(spacing)


def iou_over_thresholds(truth, probability, spacing, tolerance):
    thresholds = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    return sum(iou(truth, probability >= t) for t in thresholds) / len(thresholds)


TWINS = {
    "dice": dice,
    "iou": lambda truth, prediction, spacing, tolerance: iou(truth, prediction),
    "hd95": hd95,
    "surface_distance": surface_distance,
    "surface_dice": surface_dice,
    "volume_difference": volume_difference,
    "iou_over_thresholds": iou_over_thresholds,
}
