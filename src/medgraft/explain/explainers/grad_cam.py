"""Grad-CAM: maps of a stage, weighted by how much the score of a class rises with each."""

from __future__ import annotations

import torch
from torch import Tensor

from medgraft.errors import ShapeError
from medgraft.explain.explainers import explainer, untouched
from medgraft.nets import Network


@explainer("grad_cam", source="Selvaraju et al. 2017, arXiv:1610.02391")
def grad_cam(network: Network, images: Tensor, classes: Tensor, stage: str) -> Tensor:
    """Heat maps of one class per image.

    With A the maps after `stage` and z the logit of the class, the weight of a channel is the
    mean of dz/dA over all cells, and the heat of a cell is the weighted sum of its channels,
    cut off at zero: what speaks *for* the class. After a global average and a linear head this
    is the class activation map over the number of cells. It is no proof: heat says where the
    score came from, not that the reason is a good one, and is as coarse as the maps.

    Works for exclusive and independent targets (a logit is a logit), for any number of spatial
    axes and for frozen stages. Nothing is left behind: no hook, no gradient, no changed mode.

    Args:
        network: The network.
        images: Normalised, shape (B, C, *S).
        classes: Place of the class to explain per image, integers of shape (B,).
        stage: A stage of the backbone.

    Returns:
        Heat, zero or above, shape (B, *maps); its unit is that of the logit, per cell.

    Raises:
        UnknownNameError: If there is no such stage; the near names are offered.
        ShapeError: If there is not one class for each image.
    """
    if classes.shape != images.shape[:1]:
        raise ShapeError(
            f"classes must have one entry per image, shape ({len(images)},),"
            f" got {tuple(classes.shape)}"
        )
    with untouched(network):
        with torch.no_grad():
            maps = network.backbone.through(images, stage)
        maps = maps.detach().requires_grad_()
        with torch.enable_grad():
            # a copy goes on: the next stage may begin with an operation in place
            logits = network.head(network.backbone.beyond(maps.clone(), stage))
            score = logits.gather(1, classes.to(logits.device)[:, None]).sum()
            (gradient,) = torch.autograd.grad(score, maps)
    weights = gradient.flatten(2).mean(dim=2)
    heat = torch.einsum("bk,bkn->bn", weights, maps.detach().flatten(2)).relu()
    return heat.view(len(heat), *maps.shape[2:])
