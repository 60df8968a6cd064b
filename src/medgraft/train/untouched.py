"""Try something with networks, and leave them as if nothing had been."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn


@contextmanager
def untouched(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Put back, however the block ends, what training changes, bit for bit.

    Those are the parameters, their gradients, the buffers (those too that no file would hold), the
    mode of every submodule, and the random states of Python, numpy and torch on all devices.
    Within the block the parameters have no gradients.
    """
    parts = list({id(part): part for module in modules for part in module.modules()}.values())
    modes = [part.training for part in parts]
    tensors = _tensors(parts)
    kept = [tensor.detach().clone() for _, _, tensor in tensors]
    gradients = [tensor.grad for _, _, tensor in tensors]
    randomness = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    accelerators = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    try:
        for _, _, tensor in tensors:
            tensor.grad = None
        yield
    finally:
        with torch.no_grad():
            for (owner, name, tensor), before, gradient in zip(
                tensors, kept, gradients, strict=True
            ):
                tensor.copy_(before)
                tensor.grad = gradient
                setattr(owner, name, tensor)  # it may have been replaced, and not only changed
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode  # not train(), which would speak for the submodules too
        random.setstate(randomness[0])
        np.random.set_state(randomness[1])  # noqa: NPY002
        torch.set_rng_state(randomness[2])
        if accelerators is not None:
            torch.cuda.set_rng_state_all(accelerators)


def _tensors(parts: Iterable[nn.Module]) -> list[tuple[nn.Module, str, Tensor]]:
    """Each parameter and buffer, under whoever owns it."""
    return [
        (part, name, tensor)
        for part in parts
        for own in (part.named_parameters, part.named_buffers)
        for name, tensor in own(recurse=False, remove_duplicate=False)
    ]
