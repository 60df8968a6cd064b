"""Optimisers with decoupled decay, and their state as plain tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from medgraft.train.objective import Part
from medgraft.train.recipe import LoopRecipe


def make_optimiser(part: Part, recipe: LoopRecipe) -> Optimizer:
    """An optimiser over the groups of a part.

    Matrices and kernels decay; vectors (biases, scales of norms) do not. AdamW decays apart
    from the gradient (Loshchilov and Hutter 2017, arXiv:1711.05101); Adam and SGD as torch
    has them, with the decay in the gradient.
    """
    groups: list[dict[str, Any]] = []
    for group in part.groups:
        parameters = [p for p in group.parameters.values() if p.requires_grad]
        for chosen, decay in (
            ([p for p in parameters if p.ndim > 1], recipe.weight_decay),
            ([p for p in parameters if p.ndim <= 1], 0.0),
        ):
            if chosen:
                groups.append(
                    {
                        "params": chosen,
                        "weight_decay": decay,
                        "name": group.name,
                        "scale": group.scale,
                    }
                )
    if recipe.optimiser == "sgd":
        return SGD(groups, lr=recipe.rate, momentum=0.9)
    kind = AdamW if recipe.optimiser == "adamw" else Adam
    return kind(groups, lr=recipe.rate, betas=(part.beta1, recipe.beta2), fused=True)


def set_point(optimiser: Optimizer, rate: float, momentum: float | None) -> dict[str, float]:
    """Set the rate (times each group's scale) and the momentum; returns the rate per group."""
    rates = {}
    for group in optimiser.param_groups:
        group["lr"] = rate * group["scale"]
        rates[group["name"]] = group["lr"]
        if momentum is None:
            continue
        if "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        else:
            group["momentum"] = momentum
    return rates


def state_tensors(optimiser: Optimizer, part: Part) -> dict[str, Tensor]:
    """The state of an optimiser: "<parameter>/<what>" to tensor."""
    tensors = {}
    for name, parameter in _names(part).items():
        for what, value in optimiser.state.get(parameter, {}).items():
            if value is not None:
                tensors[f"{name}/{what}"] = torch.as_tensor(value).detach()
    return tensors


def restore_state(optimiser: Optimizer, part: Part, tensors: dict[str, Tensor]) -> None:
    """Put back what `state_tensors` took."""
    names = _names(part)
    for key, value in tensors.items():
        name, _, what = key.rpartition("/")
        parameter = names[name]
        optimiser.state[parameter][what] = _laid_like(parameter, value)


def _laid_like(parameter: Tensor, value: Tensor) -> Tensor:
    """A copy of a state where its parameter lives, in the same order in memory.

    The fused optimisers go through memory and not through indices: beside a channels-last
    kernel a contiguous state would be a permuted one, without a word.
    """
    if value.shape != parameter.shape:  # a count of steps
        return value.to(parameter.device).clone()
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _names(part: Part) -> dict[str, torch.nn.Parameter]:
    return {name: p for group in part.groups for name, p in group.parameters.items()}
