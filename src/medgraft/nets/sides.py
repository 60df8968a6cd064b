"""The smallest images that a network takes, whole or cut after a stage."""

from __future__ import annotations

import math

import torch

from medgraft.nets.backbones import find
from medgraft.nets.create import outline
from medgraft.nets.network import Backbone


def least_side(backbone: Backbone) -> int:
    """The least side of images, in pixels, from which every stage of `backbone` gets its maps.

    Of a whole network it is what its architecture declares. A network that was cut has a share
    of that, by how far it takes the images down: where the whole has a map of a single pixel, so
    has its last stage. It has more where a stage without padding would have nothing left.

    Examples:
        >>> [least_side(outline("resnet18", after=stage)) for stage in ("layer1", "layer3", None)]
        [4, 16, 32]
    """
    declared = find(backbone.name).smallest_side
    whole = _deepest(outline(backbone.name))
    least = math.ceil(declared * _deepest(backbone) / whole)
    return next(side for side in range(least, declared + 1) if _survives(backbone, side))


def _deepest(backbone: Backbone) -> int:
    """Pixels of the image per pixel of its deepest maps."""
    return max(stride for stride in backbone.strides.values() if stride is not None)


def _survives(backbone: Backbone, side: int) -> bool:
    """Whether images of this side leave every stage with a pixel; by shapes alone."""
    x = torch.empty((2, backbone.in_channels) + (side,) * backbone.dims, device="meta")
    held = (*backbone.named_parameters(), *backbone.named_buffers())
    tensors = {name: tensor.to("meta") for name, tensor in held}
    try:
        x = torch.func.functional_call(backbone, tensors, (x,))
    except RuntimeError:  # a window without padding that is larger than its maps
        return False
    return bool(min(x.shape[2:]) > 0)
