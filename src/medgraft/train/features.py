"""Features of stored images: what each stage of a network makes of them, averaged over space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from medgraft.progress import bar
from medgraft.train.batches import Images
from medgraft.train.supervised import Predictor, portions


def pooled_features(
    predictor: Predictor, store: Images, rows: np.ndarray, stages: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Maps after each of `stages`, averaged over space, from one pass over the images.

    Computed in evaluation mode: the features of an image do not depend on its batch mates.

    Args:
        predictor: A network and how to use it.
        store: Where the images lie.
        rows: Rows of the store, shape (N,).
        stages: Names of stages; all of the backbone if empty.

    Returns:
        By stage, float32, shape (N, channels of the stage).

    Raises:
        UnknownNameError: If there is no such stage; the near names are offered.
    """
    backbone = predictor.network.backbone
    wanted = {name: backbone.position(name) for name in stages or backbone.names}
    found = {name: np.empty((len(rows), backbone.channels[name]), np.float32) for name in wanted}
    last = max(wanted.values())
    predictor.network.eval()
    shown = bar(total=len(rows), what="features")
    with torch.inference_mode():
        for chosen in portions(store, rows):
            images = predictor.placement.images(store.gather(rows[chosen]), store.scale)
            with torch.autocast(
                images.device.type, dtype=torch.bfloat16, enabled=predictor.autocast
            ):
                x = predictor.normalise(images)
                for name in backbone.names[: last + 1]:
                    x = backbone.stages[name](x)
                    if name in wanted:
                        means = x.float().flatten(2).mean(dim=2)
                        found[name][chosen] = means.cpu().numpy()
            shown.update(len(images))
    shown.close()
    return found
