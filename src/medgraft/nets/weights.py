"""Weights from files: what fits is loaded, what does not fit is named."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medgraft.errors import UnsafeFileError, WeightsError
from medgraft.files import read_json, sha256
from medgraft.nets.network import Backbone, Staged
from medgraft.registry import unknown_name

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
ABSENT = "the file has none"  # of a part that starts afresh
UPSAMPLE = ".upsample."  # in the names of tensors of a decoder that learns to double sides
OPTIONS = {"pad_type": str, "bn_eps": float}  # of an architecture, as weight files name them


@dataclass(frozen=True)
class WeightFile:
    """Tensors of one file and what the file says of them.

    Attributes:
        source: "imagenet" or the path.
        tensors: By name.
        architecture: Backbone that they were made for; None where the file is silent.
        options: Options of the architecture that they need.
        mean: Per channel, of the images they were trained on, in [0, 1]; None if unknown.
        std: Likewise.
        licence: As stated.
        hash: SHA-256 of the file; None for a hub.
    """

    source: str
    tensors: dict[str, Tensor]
    architecture: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    licence: str = "not stated"
    hash: str | None = None


def open_weights(source: str, *, backbone: str) -> WeightFile:
    """Read weights: ``imagenet`` (timm's hub), a ``.safetensors`` file or a run folder.

    Raises:
        WeightsError: If there is no such file, or it is damaged.
        UnsafeFileError: If the file is of a kind that executes code when loaded.
    """
    if source == "imagenet":
        return _from_hub(backbone)
    path = Path(source)
    if path.is_dir():
        return _from_run(path)
    if path.suffix != ".safetensors":
        raise UnsafeFileError(
            f"weights must be 'none', 'imagenet', a run folder or a .safetensors file, got"
            f" '{source}'. Other formats can execute code when they are loaded: run"
            f" `medgraft convert {shlex.quote(source)} --out {shlex.quote(path.stem)}.safetensors`"
            " first."
        )
    return _from_safetensors(path)


def _from_safetensors(path: Path) -> WeightFile:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            notes = file.metadata() or {}
            tensors = {name: _single(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise WeightsError(f"the weights must be a file, but '{path}' does not exist.") from None
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"'{path}' must be a whole safetensors file: {error}.") from error
    try:
        options, mean = _options(notes.get("kwargs", "")), _numbers(notes.get("mean"))
        std = _numbers(notes.get("std"))
    except ValueError as error:
        raise WeightsError(
            f"kwargs, mean and std in the notes of '{path}' must be numbers: {error}."
            " Write the file again with the right ones, or without them."
        ) from error
    return WeightFile(
        source=str(path),
        tensors=tensors,
        architecture=notes.get("architecture"),
        options=options,
        mean=mean,
        std=std,
        licence=notes.get("licence", "not stated"),
        hash=sha256(path),
    )


def _from_run(folder: Path) -> WeightFile:
    record = read_json(folder / "weights.json")
    if "backbone" not in record:
        raise WeightsError(
            f"weights must be of a run with a backbone, and '{folder}' is a generative model, which has"
            " none. Take a run of `medgraft train` or `medgraft pretrain`."
        )
    found = _from_safetensors(folder / "weights.safetensors")
    if found.hash != record["hash"]:
        raise WeightsError(
            f"the weights of '{folder}' must be those that its weights.json speaks of, but their"
            f" SHA-256 is {found.hash}, not {record['hash']}. Copy the run folder again."
        )
    return WeightFile(
        source=str(folder),
        tensors=found.tensors,
        architecture=record["backbone"],
        options=record["options"],
        mean=tuple(record["mean"]),
        std=tuple(record["std"]),
        licence=record["licence"],
        hash=found.hash,
    )


def _from_hub(backbone: str) -> WeightFile:
    import timm

    name = backbone.removeprefix("timm:")
    if not timm.is_model(name):
        raise WeightsError(
            f"ImageNet weights must be of a network of timm, which {backbone!r} is not. Pass"
            " --weights none, or a .safetensors file of weights for it."
        )
    try:
        network = timm.create_model(name, pretrained=True, num_classes=0)
    except (RuntimeError, OSError) as error:
        raise WeightsError(
            f"ImageNet weights of {name} must come from timm's hub, which did not give them:"
            f" {str(error).splitlines()[0]} Download them where there is a network, and pass the"
            " .safetensors file with --weights."
        ) from error
    settings = network.pretrained_cfg
    return WeightFile(
        source=f"imagenet ({settings.get('hf_hub_id') or settings.get('url')})",
        tensors=network.state_dict(),
        architecture=backbone,
        mean=tuple(settings["mean"]),
        std=tuple(settings["std"]),
        licence=settings.get("license") or "not stated",
    )


def _single(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _options(text: str) -> dict[str, Any]:
    pairs = (item.strip().partition("=") for item in text.split(",") if item.strip())
    return {key: OPTIONS[key](value) for key, _, value in pairs if key in OPTIONS}


def _numbers(text: str | None) -> tuple[float, ...] | None:
    return tuple(float(part) for part in text.split(",")) if text else None


@dataclass(frozen=True)
class Fit:
    """What became of the tensors of a weight file.

    Attributes:
        origins: Our names of the tensors that were set (those of stages begin with the stage,
            others with their part) and their names in the file.
        unused: Names in the file that the network has no place for.
        afresh: Parts that keep their random weights ("head", "decoder"), each with the reason.
    """

    origins: dict[str, str]
    unused: list[str]
    afresh: dict[str, str]

    @property
    def loaded(self) -> list[str]:
        """Our names of the tensors that were set."""
        return list(self.origins)

    @property
    def doubts(self) -> list[str]:
        """Sentences about a decoder that the file has and that was not taken."""
        why = self.afresh.get("decoder", ABSENT)
        return [] if why == ABSENT else [f"The decoder of the weights was not loaded: {why}."]

    @property
    def told(self) -> str:
        """What came from the file and what did not, in a few words.

        Examples:
            >>> Fit({"stem.a": "a", "decoder.b": "decoder.b"}, [], {"head": "the file has none"}).told
            '2 tensors loaded (backbone, decoder); head afresh: the file has none'
        """
        parts = {name.partition(".")[0] for name in self.origins} & {"head", "decoder", "output"}
        loaded = f"{len(self.origins)} tensors loaded ({', '.join(['backbone', *sorted(parts)])})"
        fresh = (f"{part} afresh: {why}" for part, why in self.afresh.items())
        return "; ".join([loaded, *fresh])


def upsampling_of(weights: WeightFile) -> str | None:
    """How the decoder of a file doubles sides, "nearest" or "transposed"; None if it has none."""
    decoder = [name for name in weights.tensors if name.startswith("decoder.")]
    learnt = any(UPSAMPLE in name for name in decoder)
    return ("transposed" if learnt else "nearest") if decoder else None


def check_architecture(weights: WeightFile, backbone: str) -> None:
    """Refuse weights that say that they are of another architecture.

    Raises:
        WeightsError: With the name of the right one.
    """
    if weights.architecture not in (None, backbone, backbone.removeprefix("timm:")):
        raise WeightsError(
            f"weights must be of the backbone {backbone!r}, but '{weights.source}' holds"
            f" {weights.architecture!r}. Pass --backbone {weights.architecture}."
        )


def load_into(network: Staged, weights: WeightFile, *, parts: Collection[str] | None = None) -> Fit:
    """Set the backbone, and of the other parts each that fits as a whole, from a weight file.

    So an encoder that was trained with a decoder goes into a classifier and the other way round,
    and both go into another network for dense output. A first layer for three channels is fitted
    to another number of channels by summing its kernels (one grey channel sees what three equal
    ones would), shared out evenly if there are more than one.

    Args:
        network: What to set; unchanged if an error is raised.
        weights: What to set it from.
        parts: Which parts besides the backbone to set ("head", "decoder", "output"); None for
            all that fit.

    Raises:
        WeightsError: If backbone tensors are missing or have another shape. All are listed.
        UnknownNameError: If the network has no such part.
    """
    for part in parts or ():
        if part not in network.parts:
            raise unknown_name("part of this network", part, network.parts)
    backbone = network.backbone
    check_architecture(weights, backbone.name)
    ours = backbone.stages.state_dict()
    origins = {name: their for name in ours if (their := _name_of(name, weights, backbone))}
    found = {name: _fit_input(weights.tensors[o], ours[name]) for name, o in origins.items()}
    missing = [name for name in ours if name not in found]
    wrong = [
        f"{name} {tuple(tensor.shape)} into {tuple(ours[name].shape)}"
        for name, tensor in found.items()
        if tensor.shape != ours[name].shape
    ]
    if len(wrong) == 1 and not missing:
        _check_channels(found, ours, backbone.in_channels, weights.source)
    if missing or wrong:
        raise WeightsError(_misfit(backbone.names, len(ours), missing, wrong, weights.source))
    backbone.stages.load_state_dict(found)
    afresh: dict[str, str] = {}
    for name, module in network.parts.items():
        reason = "not asked for" if parts is not None and name not in parts else None
        reason = reason or _goes_on(weights, backbone) or _why_not(name, module, weights)
        if reason is None:
            origins |= _load_part(name, module, weights)
        else:
            afresh[name] = reason
    used = {*origins.values(), *(f"backbone.stages.{name}" for name in ours)}
    used |= {backbone.source_names.get(name, name) for name in ours}
    return Fit(origins, sorted(set(weights.tensors) - used), afresh)


def _name_of(name: str, weights: WeightFile, backbone: Backbone) -> str | None:
    """What a file calls one of our tensors; None if it has none."""
    names = (f"backbone.stages.{name}", backbone.source_names.get(name, name))
    return next((theirs for theirs in names if theirs in weights.tensors), None)


def _fit_input(tensor: Tensor, ours: Tensor) -> Tensor:
    if (
        tensor.ndim == ours.ndim >= 4
        and tensor.shape[1] == 3 != ours.shape[1]
        and tensor.shape[0] == ours.shape[0]
        and tensor.shape[2:] == ours.shape[2:]
    ):
        return tensor.sum(dim=1, keepdim=True).expand_as(ours) / ours.shape[1]
    return tensor


def _check_channels(
    found: Mapping[str, Tensor], ours: Mapping[str, Tensor], channels: int, source: str
) -> None:
    """Say so, if all that does not fit is a first layer for images of other channels."""
    for name, tensor in found.items():
        mine, theirs = list(ours[name].shape), list(tensor.shape)
        if (
            mine[:1] + mine[2:] == theirs[:1] + theirs[2:]
            and mine[1:2] == [channels] != theirs[1:2]
        ):
            raise WeightsError(
                f"weights must be for images of {channels} channels, but those of '{source}' are"
                f" for {theirs[1]}. Pass --channels {theirs[1]}."
            )


def _goes_on(weights: WeightFile, backbone: Backbone) -> str | None:
    """Why no head of a file fits a network that was cut: it was made for the maps of later stages.

    Two stages may have as many channels, and shapes would then not tell.
    """
    own = "backbone.stages."
    stages = {name.split(".")[2] for name in weights.tensors if name.startswith(own)}
    beyond = sorted(stages - set(backbone.names))
    return f"that of the file is for maps of {beyond[-1]}, which is cut off" if beyond else None


def _why_not(name: str, part: nn.Module, weights: WeightFile) -> str | None:
    """Why a part starts afresh, as a whole; None if all of it is in the file, and fits."""
    theirs = {key for key in weights.tensors if key.startswith(f"{name}.")}
    if not theirs:
        return ABSENT
    ours = {f"{name}.{key}": tensor for key, tensor in part.state_dict().items()}
    if any(UPSAMPLE in key for key in theirs) != any(UPSAMPLE in key for key in ours):
        return (
            f"it doubles sides the other way; pass --upsampling {upsampling_of(weights)} to load it"
        )
    for full in sorted(theirs ^ ours.keys()):
        return f"the file has another, {'with' if full in theirs else 'without'} {full}"
    for full, tensor in ours.items():
        if weights.tensors[full].shape != tensor.shape:
            shapes = tuple(weights.tensors[full].shape), tuple(tensor.shape)
            return f"{full} is {shapes[0]} in the file and {shapes[1]} here"
    return None


def _load_part(name: str, part: nn.Module, weights: WeightFile) -> dict[str, str]:
    keys = list(part.state_dict())
    part.load_state_dict({key: weights.tensors[f"{name}.{key}"] for key in keys})
    return {f"{name}.{key}": f"{name}.{key}" for key in keys}


def _misfit(
    stages: list[str], total: int, missing: list[str], wrong: list[str], source: str
) -> str:
    absent = {name.partition(".")[0] for name in missing}
    kept = [stage for stage in stages if stage not in absent]
    if not wrong and kept and kept == stages[: len(kept)]:
        return (
            f"weights must cover all stages, but '{source}' ends at {kept[-1]!r}"
            f" ({len(missing)} of {total} tensors are not there)."
            f" Pass --after {kept[-1]} to use the network up to there."
        )
    lines = [*wrong, *(f"{name} is not in the file" for name in missing)]
    shown = "; ".join(lines[:6]) + (f"; and {len(lines) - 6} more" if len(lines) > 6 else "")
    return (
        f"{len(lines)} of {total} tensors of '{source}' do not fit: {shown}."
        " Pass the backbone that these weights were made for."
    )


def save_weights(
    network: Staged, path: Path, notes: dict[str, str], *, parts: Collection[str] | None = None
) -> None:
    """Write the tensors of a network as safetensors, whole or not at all.

    Args:
        network: Its backbone is always written.
        path: Where to.
        notes: Of the file, for whoever takes it alone.
        parts: What else to write ("decoder", "head"); None for everything.
    """
    kept = {"backbone", *(network.parts if parts is None else parts)}
    tensors = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if name.partition(".")[0] in kept
    }
    save_tensors(tensors, path, notes)


def save_tensors(tensors: Mapping[str, Tensor], path: Path, notes: dict[str, str]) -> None:
    """Write tensors and notes on them as safetensors, whole or not at all."""
    from safetensors.torch import save_file

    from medgraft.files import replacing

    laid_out = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    with replacing(path) as temporary:
        save_file(laid_out, str(temporary), metadata=notes)


def parameters(network: torch.nn.Module) -> tuple[int, int]:
    """Number of parameters, and of those that learn (buffers are not counted)."""
    counts = [(p.numel(), p.requires_grad) for p in network.parameters()]
    return sum(n for n, _ in counts), sum(n for n, learns in counts if learns)
