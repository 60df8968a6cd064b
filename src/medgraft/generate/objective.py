"""The objective of a generative model: what the loop trains, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from medgraft.generate.averaging import follow, learning
from medgraft.generate.diversity import Diversity, diversity
from medgraft.generate.model import GenerativeModel
from medgraft.generate.networks import Shape
from medgraft.seeds import derive, generator
from medgraft.train.batches import Batch, Placement
from medgraft.train.objective import Group, Loss, Part
from medgraft.train.processes import Processes
from medgraft.train.supervised import Rows, portions

DRAWN = 128  # samples whose diversity is measured after an epoch
LEAST = 2  # images below which nothing can be said of it


@dataclass
class Generative:
    """Learn to generate images.

    Attributes:
        model: What learns.
        networks: Its parts.
        shape: Of its images.
        placement: Where tensors go.
        seed: Of the run.
        beta1: Of every part.
        training: Images to compare samples with.
        held_out: Images to validate on, where the model has a loss for them; possibly none.
        processes: Each validates its share.
    """

    model: GenerativeModel
    networks: dict[str, nn.Module]
    shape: Shape
    placement: Placement
    seed: int
    beta1: float
    training: Rows
    held_out: Rows
    processes: Processes = field(default_factory=Processes)

    def __post_init__(self) -> None:
        self._parts = {
            name: Part(module, (self._group(name, module),), self.beta1)
            for name, module in self.networks.items()
        }

    def _group(self, name: str, module: nn.Module) -> Group:
        return Group(name, learning(module), self.model.rate_of(name))

    @property
    def parts(self) -> Mapping[str, Part]:
        """Those of the model."""
        return self._parts

    def loss(self, part: str, batch: Batch) -> Loss:
        """The loss that moves a part, summed over the batch."""
        labels = labels_of(batch.targets, self.shape)
        follow(self.networks[part])  # what the step before made of it
        found = self.model.losses(part, self.networks, batch.images, labels, step=batch.step)
        return Loss(found.each.sum(), len(found.each), found.terms)

    def validate(self) -> dict[str, float]:
        """How various samples are, and the loss of held-out images, which decides if there is one."""
        found = {f"{key}_val": value for key, value in self._judged().items()}
        drawn = self.diversity()
        if drawn is not None:
            found |= {"spread": drawn.spread, "distinct": drawn.distinct}
        return found | ({"score": -found["loss_val"]} if "loss_val" in found else {})

    def _judged(self) -> dict[str, float]:
        sums: dict[str, float] = {}
        shares = portions(self.held_out.store, self.held_out.rows)
        for share in shares[self.processes.rank :: self.processes.world]:
            for key, each in self._losses(share).items():
                sums[key] = sums.get(key, 0.0) + float(each.double().sum())
        if self.processes.world > 1:  # one without a share must know what the others sum
            keys = self._losses(slice(0, 1)) if len(self.held_out.rows) else ()
            device = self.placement.device
            sums = {key: self.processes.sum(sums.get(key, 0.0), device) for key in keys}
        return {key: value / len(self.held_out.rows) for key, value in sums.items()}

    def _losses(self, share: slice) -> dict[str, Tensor]:
        images, labels = self.images(self.held_out, share)
        noise = generator(self.seed, "held out", share.start).standard_normal(
            (len(images), self.model.latent)
        )
        codes = torch.from_numpy(noise).float().to(images.device)
        with torch.inference_mode():
            return self.model.judged(self.networks, images, labels, codes)

    def images(self, rows: Rows, share: slice) -> tuple[Tensor, Tensor | None]:
        """Stored images in [0, 1] and their labels."""
        stored = rows.store.gather(rows.rows[share])
        images = self.placement.images(stored, rows.store.scale)
        targets = torch.from_numpy(rows.targets[share]).to(images.device)
        return images, labels_of(targets, self.shape)

    def diversity(self) -> Diversity | None:
        """That of samples with the labels of training images; None if those are too few.

        The codes and the images are the same at every epoch.
        """
        count = min(DRAWN, len(self.training.rows))
        if count < LEAST:
            return None
        rows, targets = self.training.rows, self.training.targets
        chosen = generator(self.seed, "diversity").choice(len(rows), count, replace=False)
        few = Rows(self.training.store, rows[chosen], targets[chosen])
        real, labels = self.images(few, slice(0, count))
        noise = torch.Generator().manual_seed(derive(self.seed, "diversity", "codes"))
        codes = torch.randn(count, self.model.latent, generator=noise).to(real.device)
        with torch.inference_mode():
            return diversity(self.model.decode(self.networks, codes, labels), real)


def labels_of(targets: Tensor, shape: Shape) -> Tensor | None:
    """Numbers of classes of a batch's targets (B, 1), the last for none; None without classes."""
    if not shape.classes:
        return None
    return targets[:, 0].nan_to_num(nan=float(shape.classes)).long()
