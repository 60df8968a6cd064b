"""What a discovery depends on: one model for the flags and the record."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medgraft.spec import Options

Side = Annotated[int, Field(ge=8, le=4096)]


class Settings(Options):
    """Everything that decides which patterns are found."""

    patterns: int | None = Field(
        None,
        ge=2,
        description="Patterns to find; if not given, half as many as scans, at most 100 (pictures) or 44 (volumes).",
    )
    neighbours: int | None = Field(
        None,
        ge=2,
        description="Training scans per pattern, the reference included; if not given, a third of them, at most 1000 (pictures) or 200 (volumes).",
    )
    held_out: int | None = Field(
        None,
        ge=0,
        description="Validation scans per pattern; if not given, so that 30 stand beside 200, and none without a val part.",
    )

    size: Side | None = Field(
        None,
        description="Side of the grid that every scan is brought to; 224 (pictures) or 64 (volumes) if not given.",
    )
    crop: tuple[Side, ...] | None = Field(
        None,
        description="Sides of a crop on that grid, one or one per axis; two fifths of the scan, in eights, if not given.",
    )
    channels: Literal[1, 3] = Field(1, description="Grey (1) or colour (3).")
    window: Literal["file"] | tuple[float, float] | None = Field(
        None, description="'file' (the window that a DICOM file names), or two limits in its units."
    )
    steps: tuple[str, ...] | None = Field(
        None, description="Preparation steps in full, instead of those that size makes."
    )

    threshold: float = Field(
        0.1, gt=0, le=1, description="Value in [0, 1] from which a pixel counts as tissue."
    )
    least: float = Field(0.5, ge=0, le=1, description="Least share of tissue in a crop.")
    most: float = Field(1.0, ge=0, le=1, description="Largest share of tissue in a crop.")
    distance: float = Field(
        5.0, ge=1, description="Least distance between the places of two patterns, in pixels."
    )

    larger: int = Field(
        2, ge=0, le=8, description="Further crops of each place at other sides, resized."
    )
    zoom: tuple[float, float] = Field(
        (50 / 64, 79 / 64), description="Their sides, from and to, as a share of the crop's."
    )
    jitter: float = Field(
        10 / 64, ge=0, le=1, description="How far they may be moved, as a share of the side."
    )

    descriptors: str = Field(
        "autoencoder",
        description="'autoencoder' (trained here, on these scans), or a run, a .safetensors file or 'imagenet'.",
    )
    backbone: str | None = Field(
        None,
        description="Encoder of the auto-encoder, or what a weight file is for; unet2d or unet3d if not given.",
    )
    side: Side | None = Field(
        None,
        description="Side of whole scans as descriptors see them; 64 (pictures) or 32 (volumes) if not given.",
    )
    epochs: int = Field(20, ge=1, description="Of the auto-encoder.")
    batch_size: int = Field(8, ge=2, description="Of the auto-encoder.")
    rate: float = Field(1e-3, gt=0, description="Learning rate of the auto-encoder.")

    seed: int = Field(0, ge=0, description="Seed of everything random.")
    device: str = Field("auto", description="'auto', 'cpu', 'cuda' or 'cuda:1'.")

    @model_validator(mode="after")
    def _ordered(self) -> Settings:
        if self.least > self.most:
            raise ValueError(
                f"least must not exceed most, got least={self.least}, most={self.most}"
            )
        if not 0 < self.zoom[0] <= self.zoom[1]:
            raise ValueError(f"zoom must be two rising shares above 0, got {self.zoom}")
        return self


def default_patterns(scans: int, dims: int) -> int:
    """Half as many as scans, at most the paper's 100 (2-D) or 44 (3-D).

    Examples:
        >>> default_patterns(623, 3), default_patterns(60, 3), default_patterns(75_708, 2)
        (44, 30, 100)
    """
    return max(2, min(100 if dims == 2 else 44, scans // 2))


def default_neighbours(scans: int, dims: int) -> int:
    """A third of the scans, at most the paper's 1,000 (2-D) or 200 (3-D).

    Examples:
        >>> default_neighbours(623, 3), default_neighbours(60, 3), default_neighbours(75_708, 2)
        (200, 20, 1000)
    """
    return max(2, min(1000 if dims == 2 else 200, scans // 3))


def default_held_out(neighbours: int, held_out: int) -> int:
    """30 validation scans for 200 training scans, as far as there are any.

    Examples:
        >>> default_held_out(200, 100), default_held_out(20, 100), default_held_out(200, 10)
        (30, 3, 10)
    """
    return min(-(-neighbours * 30 // 200), held_out)


def default_crop(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Two fifths of each side of the scans, in whole eights, at least 16 and never more than the scan.

    Examples:
        >>> default_crop((224, 224)), default_crop((64, 64, 64)), default_crop((12, 40))
        ((88, 88), (24, 24, 24), (12, 16))
    """
    return tuple(min(n, max(16, round(0.4 * n / 8) * 8)) for n in shape)
