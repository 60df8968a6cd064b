"""Tell which two views are of the same image."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, field_validator
from torch import Tensor, nn

from medgraft.augment import Augmenter
from medgraft.errors import ArgumentError
from medgraft.optional import require
from medgraft.pretext.tasks import Contrasting, pretext

EXTRA = "contrast"
PURPOSE = "the pretext task simclr"


@pretext("simclr")
class SimCLR(Contrasting):
    """Put two views of an image near to one another, and far from all other views of the batch.

    Projection and loss (NT-Xent) are those of lightly, the views those of `medgraft augment`. What
    the views do away with the encoder learns to overlook: choose them by what does not matter. The
    more images in a batch, the more there is to be told apart; gathered gradients (``--accumulate``)
    do not make it larger.
    """

    source: ClassVar[str] = "Chen et al. 2020, arXiv:2002.05709"

    views: tuple[str, ...] = ("strong",)
    """What makes them: presets or augmentations, such as films;blur, each with one option at most."""
    temperature: float = Field(0.1, gt=0, le=10)
    """What similarities are divided by: the smaller, the more the nearest others count."""
    size: int = Field(128, ge=2, le=4096)
    """Numbers by which a view is compared."""

    @field_validator("views", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    def check(self, *, as_published: bool = False) -> None:
        """Views must differ, and be of one image each; and it needs the extra `contrast`."""
        del as_published
        augmenter = self.augmenter(2)
        if augmenter.mixes or not augmenter.parts:
            what = "blend it with another" if augmenter.mixes else "leave it as it is"
            raise ArgumentError(
                f"views must change an image, but {';'.join(self.views)} would {what}. Take"
                " strong, films or patches, or list augmentations."
            )
        require("lightly.loss.ntx_ent_loss", extra=EXTRA, purpose=PURPOSE)

    def augmenter(self, dims: int) -> Augmenter:
        """Views by the augmentations that were asked for."""
        return Augmenter(self.views, dims)

    def projection(self, channels: int) -> nn.Module:
        """Two linear layers with batch norm, ReLU between them."""
        heads: Any = require("lightly.models.modules.heads", extra=EXTRA, purpose=PURPOSE)
        made: nn.Module = heads.SimCLRProjectionHead(channels, channels, self.size)
        return made

    def contrast(self, one: Tensor, two: Tensor) -> Tensor:
        """Normalised, temperature-scaled cross-entropy (NT-Xent), the mean of all views."""
        losses: Any = require("lightly.loss.ntx_ent_loss", extra=EXTRA, purpose=PURPOSE)
        loss: Tensor = losses.NTXentLoss(self.temperature)(one, two)
        return loss
