"""95 % Hausdorff distance and surface Dice of one volume against MONAI."""

from __future__ import annotations

import numpy as np

from bench.timing import Table, in_turn, milliseconds, ratio
from medgraft.evaluate.segmentation import judge_image
from medgraft.evaluate.segmentation.surface import surface_distances

SHAPE, SPACING, TOLERANCE = (128, 128, 64), (1.0, 1.0, 2.0), 2.0
LABELS = {"organ": 1, "lesion": 2}


def measure() -> Table:
    """Time both on masks of labels, small structures and large ones."""
    rows = []
    for name, scale in (("of 5,000 and 500 voxels", 0.4), ("of 80,000 and 9,000 voxels", 1.0)):
        truth, prediction = masks(0.0, scale), masks(2.0, scale)
        check(truth, prediction)
        timing = in_turn(
            {
                "medgraft": lambda t=truth, p=prediction: own(t, p, ["hd95", "surface_dice"]),
                "all": lambda t=truth, p=prediction: own(t, p, None),
                "monai": lambda t=truth, p=prediction: rival(t, p),
            },
            repeats=11,
        )
        rows.append(
            (
                f"two classes {name}",
                milliseconds(timing.median("medgraft")),
                milliseconds(timing.median("all")),
                milliseconds(timing.median("monai")),
                ratio(timing.times_faster("medgraft", "monai")),
                str(timing.repeats),
            )
        )
    return Table(
        title="Judging a segmented volume",
        text=(
            "95 % Hausdorff distance and normalised surface Dice of a pair of masks of labels, 128 x 128 x 64 voxels of 1 x 1 x 2 mm,"
            " the checks of the masks included; MONAI gets them as one-hot tensors (making these is counted) and is asked for both in"
            " two calls, as its interface has it. Both sides are told the same masks, and checked against each other: the surface Dice"
            " agree, and so does the Hausdorff distance where MONAI's definition (the larger of two percentiles) is used."
        ),
        header=(
            "masks",
            "medgraft",
            "medgraft, all measures of masks",
            "MONAI",
            "medgraft is faster by",
            "repeats",
        ),
        rows=tuple(rows),
        packages=("numpy", "scipy", "monai", "torch"),
    )


def masks(shift: float, scale: float) -> np.ndarray:
    """An ellipsoid with a smaller one in it, moved and shrunk a little."""
    grid = np.indices(SHAPE)

    def ellipsoid(centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
        return (
            sum(((g - c) / (scale * r)) ** 2 for g, c, r in zip(grid, centre, radii, strict=True))
            <= 1
        )

    organ = ellipsoid((60 + shift, 60, 30), (30 - shift, 34, 19))
    lesion = ellipsoid((60, 60 + shift, 30 + shift / 2), (14 - shift, 15, 10))
    return organ.astype(np.uint8) + (organ & lesion)


def own(truth: np.ndarray, prediction: np.ndarray, wanted: list[str] | None) -> list[dict]:
    """All classes of one image."""
    return judge_image(
        truth,
        prediction,
        LABELS,
        image_id="volume",
        spacing_mm=SPACING,
        tolerance_mm=TOLERANCE,
        wanted=wanted,
    )


def rival(truth: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of MONAI: Hausdorff distances and surface Dice, one per class."""
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    y, p = (
        torch.from_numpy(np.stack([mask == n for n in (0, *LABELS.values())])[None]).float()
        for mask in (truth, prediction)
    )
    far = compute_hausdorff_distance(p, y, percentile=95, spacing=SPACING)
    near = compute_surface_dice(p, y, [TOLERANCE] * len(LABELS), spacing=SPACING)
    return far[0].numpy(), near[0].numpy()


def check(truth: np.ndarray, prediction: np.ndarray) -> None:
    """Both must measure the same, or their times say nothing."""
    far, near = rival(truth, prediction)
    for number, (label, row) in enumerate(
        zip(LABELS.values(), own(truth, prediction, ["surface_dice"]), strict=True)
    ):
        apart = surface_distances(truth == label, prediction == label, SPACING)
        directed = [np.quantile(d, 0.95) for d in (apart.of_truth, apart.of_prediction)]
        if not np.allclose([max(directed), row["surface_dice"]], [far[number], near[number]]):
            raise AssertionError(f"{label}: {directed}, {row} and {far[number]}, {near[number]}")
