"""A trained generative model: samples, reconstructions and what lies between two samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from medgraft.errors import ArgumentError, ShapeError, TableError, WeightsError
from medgraft.files import read_json, sha256
from medgraft.generate.generators import find_model
from medgraft.generate.model import GenerativeModel
from medgraft.generate.networks import Shape
from medgraft.runs import RunFolder
from medgraft.seeds import generator as stream
from medgraft.train.hardware import find_device

KIND = "generator"  # what weights.json calls a run of `medgraft generate train`
BLOCK = 16  # images that are decoded together, always these and in this order


@dataclass(frozen=True)
class Generator:
    """A trained model; everything it answers is uint8 (N, C, S, S) on the processor.

    Sample `i` of a seed is the same image whatever else is asked for, and however much of it: on
    one machine to the last bit, elsewhere up to rounding. Its class, where nobody asks for one, is
    drawn by the seed in the shares of the training images.

    Attributes:
        run: Where it comes from.
        record: What weights.json of the run says.
        model: Which model it is.
        networks: Its parts, in evaluation mode.
        shape: Of its images.
        device: Where it computes, in float32.
    """

    run: RunFolder
    record: dict[str, Any]
    model: GenerativeModel
    networks: dict[str, nn.Module]
    shape: Shape
    device: torch.device

    @property
    def classes(self) -> tuple[str, ...]:
        """Names that can be asked for; none of a model that knows no classes."""
        return tuple(self.record["classes"])

    def sample(
        self,
        n: int,
        *,
        seed: int,
        labels: str | Sequence[str] | None = None,
        start: int = 0,
    ) -> Tensor:
        """Draw images number `start` to `start + n - 1` of a seed.

        Args:
            n: How many, at least 1.
            seed: Another one gives other images.
            labels: A class for all, or one for each; None draws them, see `labels`.
            start: Number of the first.

        Raises:
            ArgumentError: If a number is out of range, or a class is not one of the model.
        """
        _check_range(n, seed, start)
        numbers = self._numbers(self._named(n, labels, seed=seed, start=start))
        first, last = start // BLOCK * BLOCK, -(-(start + n) // BLOCK) * BLOCK
        codes = torch.stack([self.code(i, seed=seed) for i in range(first, last)])
        if numbers is not None:
            around = torch.zeros(last - first, dtype=torch.long)
            around[start - first : start - first + n] = numbers
            numbers = around
        return self._decode(codes, numbers)[start - first : start - first + n]

    def labels(self, n: int, *, seed: int, start: int = 0) -> list[str] | None:
        """The classes that `sample` draws if nobody asks for one; None of a model without classes."""
        if not self.classes:
            return None
        shares = np.array(self.record["frequencies"])
        limits = np.cumsum(shares / shares.sum())
        drawn = [stream(seed, "class", i).random() for i in range(start, start + n)]
        places = np.minimum(np.searchsorted(limits, drawn, side="right"), len(limits) - 1)
        return [self.classes[place] for place in places]

    def code(self, index: int, *, seed: int) -> Tensor:
        """The code of one sample, standard normal, shape (D,)."""
        drawn = stream(seed, "sample", index).standard_normal(self.model.latent)
        return torch.from_numpy(drawn).float()

    @property
    def reconstructs(self) -> bool:
        """Whether it has an encoder."""
        images = torch.zeros(1, self.shape.channels, self.shape.size, self.shape.size)
        with torch.inference_mode():
            found = self.model.encode(self.networks, images.to(self.device), self._unknown(1))
        return found is not None

    def encode(self, images: Tensor, *, labels: Sequence[str] | None = None) -> Tensor:
        """Codes of images, float32 (N, D): the means of their distributions.

        Args:
            images: uint8, or floats in [0, 1], shape (N, C, S, S), prepared as the run prepared
                its own (weights.json, `steps`).
            labels: The class of each; None says nothing of it to a model that knows classes.

        Raises:
            ArgumentError: If the model has no encoder, or does not know a class.
            ShapeError: If the images are of another shape.
        """
        images = self._checked(images)
        numbers = self._given(labels, len(images))
        found = []
        for place in range(0, len(images), BLOCK):
            part = slice(place, place + BLOCK)
            with torch.inference_mode():
                codes = self.model.encode(
                    self.networks, images[part], None if numbers is None else numbers[part]
                )
            if codes is None:
                raise ArgumentError(
                    f"images can be encoded by a model with an encoder, and {self.record['model']!r}"
                    " has none. Train a vae or a vae_gan."
                )
            found.append(codes.cpu())
        return torch.cat(found)

    def reconstruct(self, images: Tensor, *, labels: Sequence[str] | None = None) -> Tensor:
        """Encode images and decode them again; arguments and errors as of `encode`."""
        codes = self.encode(images, labels=labels)
        numbers = self._given(labels, len(codes))
        return self._decode(codes, None if numbers is None else numbers.cpu())

    def interpolate(
        self, pairs: int, *, seed: int, steps: int = 8, label: str | None = None
    ) -> Tensor:
        """What lies between samples 2 i and 2 i + 1 of a seed, both included.

        Codes are turned from one to the other, so that their lengths stay those of a normal draw
        (spherical interpolation, White 2016, arXiv:1609.04468).

        Args:
            pairs: How many, at least 1.
            seed: As of `sample`.
            steps: Images of each pair, at least 2.
            label: The class of all; of a model with classes the first if not given.

        Returns:
            uint8 (pairs, steps, C, S, S).

        Raises:
            ArgumentError: If a number is out of range, or the class is not one of the model.
        """
        _check_range(pairs, seed, 0)
        if steps < 2:
            raise ArgumentError(f"steps must be at least 2, got {steps}.")
        ends = torch.stack([self.code(i, seed=seed) for i in range(2 * pairs)])
        share = torch.linspace(0, 1, steps)
        codes = torch.cat([turned(ends[i], ends[i + 1], share) for i in range(0, 2 * pairs, 2)])
        one = label if label or not self.classes else self.classes[0]
        named = self._named(len(codes), one, seed=seed, start=0)
        found = self._decode(codes, self._numbers(named))
        return found.view(pairs, steps, *found.shape[1:])

    def _decode(self, codes: Tensor, labels: Tensor | None) -> Tensor:
        """Images of codes, in blocks of one size, so that each is computed the same way every time."""
        found = []
        for place in range(0, len(codes), BLOCK):
            part = codes[place : place + BLOCK]
            named = None if labels is None else labels[place : place + BLOCK]
            lacking = BLOCK - len(part)
            if lacking:
                part = torch.cat([part, part.new_zeros(lacking, part.shape[1])])
                named = None if named is None else torch.cat([named, named.new_zeros(lacking)])
            named = None if named is None else named.to(self.device)
            with torch.inference_mode():
                images = self.model.decode(self.networks, part.to(self.device), named)
            found.append((images * 255).round().clamp(0, 255).byte().cpu()[: BLOCK - lacking])
        return torch.cat(found)

    def _named(
        self, n: int, labels: str | Sequence[str] | None, *, seed: int, start: int
    ) -> Sequence[str] | None:
        """The class of each of `n` samples."""
        if labels is None:
            return self.labels(n, seed=seed, start=start)
        named = [labels] * n if isinstance(labels, str) else list(labels)
        if len(named) != n:
            raise ArgumentError(f"there must be a class for each of {n} samples, got {len(named)}.")
        return named

    def _numbers(self, named: Sequence[str] | None) -> Tensor | None:
        if named is None:
            return None
        for name in named:
            if name not in self.classes:
                known = ", ".join(self.classes)
                raise ArgumentError(
                    f"no class of this model is called {name!r}. It knows: {known}."
                    if known
                    else f"a class can be asked of a model that was trained with --conditional, and"
                    f" '{self.run.path}' was not. Leave the class {name!r} out."
                )
        return torch.tensor([self.classes.index(name) for name in named], dtype=torch.long)

    def _given(self, labels: Sequence[str] | None, count: int) -> Tensor | None:
        """Numbers of the classes of images; where nothing is said, that of images without a label."""
        if labels is None:
            return self._unknown(count)
        named = self._named(count, labels, seed=0, start=0)
        numbers = self._numbers(named)
        return None if numbers is None else numbers.to(self.device)

    def _unknown(self, count: int) -> Tensor | None:
        if not self.classes:
            return None
        return torch.full((count,), len(self.classes), dtype=torch.long, device=self.device)

    def _checked(self, images: Tensor) -> Tensor:
        wanted = (self.shape.channels, self.shape.size, self.shape.size)
        if images.ndim != 4 or tuple(images.shape[1:]) != wanted or not len(images):
            raise ShapeError(
                f"images must have shape (N, {', '.join(map(str, wanted))}), got"
                f" {tuple(images.shape)}. Prepare them as the run did."
            )
        if images.dtype == torch.uint8:
            return images.to(self.device).float() / 255
        if not images.is_floating_point() or not bool(((images >= 0) & (images <= 1)).all()):
            raise ShapeError(
                f"images must be uint8, or floats in [0, 1], got {images.dtype} from"
                f" {float(images.min()):g} to {float(images.max()):g}."
            )
        return images.to(self.device).float()


def turned(one: Tensor, two: Tensor, share: Tensor) -> Tensor:
    """Codes on the way from one to another, shape (len(share), D), by spherical interpolation.

    Examples:
        >>> one, two = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
        >>> round(turned(one, two, torch.tensor([0.5])).norm().item(), 4)
        2.0
    """
    cosine = torch.dot(one, two) / (one.norm() * two.norm()).clamp(min=1e-12)
    angle = cosine.clamp(-1, 1).acos()
    share = share[:, None]
    if float(angle.sin()) < 1e-4:  # the same direction, or the opposite one: a straight line
        return (1 - share) * one + share * two
    way: Tensor = ((1 - share) * angle).sin() * one + (share * angle).sin() * two
    return torch.div(way, angle.sin())


def load_generator(run: str | Path | RunFolder, *, device: str = "cpu") -> Generator:
    """The model of a finished run of `medgraft generate train`.

    Args:
        run: Its folder.
        device: Where it is to compute.

    Raises:
        TableError: If the folder holds no such run, or one that is not finished.
        WeightsError: If its weights are not those that it speaks of.
        ArgumentError: If there is no such device.
    """
    folder = RunFolder.existing(run.path if isinstance(run, RunFolder) else Path(run))
    if not folder.weights_record.is_file():
        raise TableError(
            f"'{folder.path}' must be a finished run, and is not. Go on with it: --resume."
        )
    record = read_json(folder.weights_record)
    if record.get("kind") != KIND:
        raise TableError(
            f"'{folder.path}' must be a run of `medgraft generate train`, and is one of another"
            " command. Samples can be drawn of a generative model alone."
        )
    model, place = find_model(record["model"]), find_device(device)
    channels, side, _ = record["shape"]
    shape = Shape(channels, side, classes=len(record["classes"]))
    networks = model.networks(shape)
    _load(networks, folder, record)
    for part in networks.values():
        part.to(place).eval().requires_grad_(requires_grad=False)
    return Generator(folder, record, model, networks, shape, place)


def _load(networks: dict[str, nn.Module], folder: RunFolder, record: dict[str, Any]) -> None:
    found = sha256(folder.weights)
    if found != record["hash"]:
        raise WeightsError(
            f"the weights of '{folder.path}' must be those that its weights.json speaks of, but their"
            f" SHA-256 is {found}, not {record['hash']}. Copy the run folder again."
        )
    try:
        tensors = load_file(folder.weights)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"'{folder.weights}' must be a whole safetensors file: {error}."
        ) from error
    for name, part in networks.items():
        mine = {
            k.removeprefix(f"{name}/"): t for k, t in tensors.items() if k.startswith(f"{name}/")
        }
        part.load_state_dict(mine)


def _check_range(count: int, seed: int, start: int) -> None:
    for name, value, least in (("a count", count, 1), ("a seed", seed, 0), ("start", start, 0)):
        if value < least:
            raise ArgumentError(f"{name} must be at least {least}, got {value}.")
