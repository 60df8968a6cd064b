"""From the tensors of a foreign file to weights that load: found, renamed, checked, written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medgraft.errors import ArgumentError, OutputError, WeightsError
from medgraft.files import sha256
from medgraft.nets.backbones import backbones
from medgraft.nets.create import create, outline
from medgraft.nets.foreign import read_foreign
from medgraft.nets.name_maps import NameMap, name_maps
from medgraft.nets.network import Backbone, Network
from medgraft.nets.weights import OPTIONS, WeightFile, load_into, save_tensors
from medgraft.progress import track
from medgraft.registry import unknown_name

CLASSIFIERS = ("fc", "classifier", "last_linear", "classifier.1", "classifier.3", "head.fc", "head")
AUXILIARY = "AuxLogits."  # a second classifier of Inception V3, which serves training alone
COUNTER = "num_batches_tracked"
BACKGROUND = 1001  # classes of TensorFlow's ImageNet networks: the first stands for none of them


@dataclass(frozen=True)
class Converted:
    """What became of a foreign file.

    Attributes:
        backbone: Architecture.
        names: Name map that fitted.
        key: Where in the file the network lies; empty if at its top.
        after: Last stage that the file has, if it ends early; else None.
        loaded: How many tensors were taken, those of the head included.
        classes: Outputs of the head; None if the file has no usable one.
        unused: Names and shapes of the tensors of the network that were not taken.
        elsewhere: How many tensors lie elsewhere in the file, such as an optimiser's.
        notes: What the new file says of itself.
    """

    backbone: str
    names: str
    key: str
    after: str | None
    loaded: int
    classes: int | None
    unused: dict[str, tuple[int, ...]]
    elsewhere: int
    notes: dict[str, str]


@dataclass(frozen=True)
class _Found:
    """A network of one architecture in a file.

    Attributes:
        backbone: The outline of the architecture.
        key: Prefix of its tensors, without the last dot.
        names: The map that fitted.
        tensors: By the names of timm.
        rest: Tensors under the same prefix that belong to no stage.
        fits: How many of `tensors` have the right shape.
    """

    backbone: Backbone
    key: str
    names: NameMap
    tensors: dict[str, Tensor]
    rest: dict[str, Tensor]
    fits: int

    @property
    def whole(self) -> bool:
        """Whether every tensor of every stage is there, and fits."""
        return self.fits == len(self.backbone.source_names)

    @property
    def after(self) -> str | None:
        """The last stage, if the file has the first stages only; None if it is none such."""
        stages = [ours.partition(".")[0] for ours in self.backbone.source_names]
        theirs = self.backbone.source_names.values()
        present = {s for s, name in zip(stages, theirs, strict=True) if name in self.tensors}
        kept = self.backbone.names[: len(present)]
        first_alone = present == set(kept) and 0 < len(kept) < len(self.backbone.names)
        whole = self.fits == sum(stage in present for stage in stages)
        return kept[-1] if first_alone and whole and len(self.rest) <= 2 else None

    @property
    def in_channels(self) -> int:
        """Channels of the images that the first layer takes; 3 if it is not there."""
        first = self.tensors.get(next(iter(self.backbone.source_names.values())))
        return 3 if first is None or first.ndim < 3 else int(first.shape[1])

    @property
    def classifier_alone(self) -> bool:
        """Whether nothing follows the stages but a classifier, or not even that."""
        rest = [name for name in self.rest if not name.startswith(AUXILIARY)]
        return not rest or self.classifier is not None

    @property
    def classifier(self) -> tuple[str, Tensor, Tensor] | None:
        """Name, weight and bias of the one linear layer that follows the stages, if it is one."""
        rest = [name for name in self.rest if not name.startswith(AUXILIARY)]
        for name in CLASSIFIERS:
            if sorted(rest) == [f"{name}.bias", f"{name}.weight"]:
                weight, bias = self.rest[f"{name}.weight"], self.rest[f"{name}.bias"]
                if weight.shape == (len(bias), self.backbone.out_channels):
                    return name, weight, bias
        return None


def convert(
    path: Path,
    out: Path,
    *,
    backbone: str | None = None,
    key: str | None = None,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    licence: str = "not stated",
    classes: int | None = None,
    kwargs: str = "",
) -> Converted:
    """Write the weights in a foreign file as safetensors that load into our backbone.

    Args:
        path: Written by ``torch.save``, or safetensors under foreign names.
        out: New .safetensors file.
        backbone: Architecture; None looks which registered one it fits, tensor by tensor.
        key: Where in the file the network lies, such as ``state_dict_ema``; None to find out.
        mean: Per channel, of the images in [0, 1] that it was trained on; empty if unknown.
        std: Likewise, above 0.
        licence: Of the weights.
        classes: Outputs that the head must have. Of one more the first, which then stands for
            the background, is dropped; so it is from the 1,001 of TensorFlow's ImageNet.
        kwargs: Options of the architecture, such as ``pad_type=same,bn_eps=0.001``.

    Raises:
        WeightsError: If the file is damaged, or does not fit: all is listed, nothing written.
        UnsafeFileError: If it would execute code.
        ArgumentError: If mean, std or kwargs are not such, or the head has other outputs.
        UnknownNameError: If there is no such backbone or key.
        OutputError: If `out` exists.
    """
    options = _check(out, mean, std, kwargs)
    asked = None if backbone is None else outline(backbone)  # a wrong name is told first
    tensors = read_foreign(path)
    placed = _under(tensors, key, path)
    found = _guessed(placed, path) if asked is None else _given(placed, asked, path)
    if mean and len(mean) != found.in_channels:
        raise ArgumentError(
            f"--mean and --std need a number for each of {found.in_channels} channels,"
            f" got {len(mean)}"
        )
    options = {**found.names.options(found.backbone.name), **options}
    network, after, used, unused = _load(found, options, classes, path)
    notes = {
        "architecture": found.backbone.name,
        "licence": licence,
        "kwargs": ",".join(f"{option}={value}" for option, value in options.items()),
        "converted_from": f"{path.name}, SHA-256 {sha256(path)}",
        **({"mean": _joined(mean), "std": _joined(std)} if mean else {}),
        **({"after": after} if after else {}),
    }
    tensors_now = network.state_dict()
    save_tensors({name: tensors_now[name] for name in used}, out, notes)
    return Converted(
        backbone=found.backbone.name,
        names=found.names.name,
        key=".".join(part for part in (key, found.key) if part),
        after=after,
        loaded=len(used),
        classes=network.classes if "head.fc.bias" in used else None,
        unused={name: tuple(found.rest[name].shape) for name in unused},
        elsewhere=len(tensors) - len(found.tensors) - len(found.rest),
        notes=notes,
    )


def _check(out: Path, mean: Sequence[float], std: Sequence[float], kwargs: str) -> dict[str, Any]:
    """The options that `kwargs` holds, after everything that needs no file has been checked."""
    if out.suffix != ".safetensors":
        raise ArgumentError(f"--out must name a .safetensors file, got '{out}'.")
    if out.exists():
        raise OutputError(f"--out must not exist yet, but '{out}' does. Choose another name.")
    if len(mean) != len(std) or any(value <= 0 for value in std):
        raise ArgumentError(
            "--mean and --std belong together, a number per channel, and std must be above 0;"
            f" got {_joined(mean) or 'no mean'} and {_joined(std) or 'no std'}"
        )
    options: dict[str, Any] = {}
    for item in filter(None, kwargs.split(",")):
        name, _, value = item.partition("=")
        if name not in OPTIONS:
            raise unknown_name("option", name, OPTIONS)
        try:
            options[name] = OPTIONS[name](value)
        except ValueError:
            raise ArgumentError(f"--kwargs needs a number for {name}, got {value!r}") from None
    return options


def _joined(values: Iterable[float]) -> str:
    return ",".join(map(str, values))


def _under(tensors: dict[str, Tensor], key: str | None, path: Path) -> dict[str, Tensor]:
    """The tensors below a key, without it."""
    if key is None:
        return tensors
    below = {n.removeprefix(f"{key}."): t for n, t in tensors.items() if n.startswith(f"{key}.")}
    if not below:
        raise unknown_name(f"key of '{path}'", key, list(_by_prefix(tensors))[1:20])
    return below


def _by_prefix(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Tensors below each dotted prefix, without it; "" stands for all."""
    found: dict[str, dict[str, Tensor]] = {"": dict(tensors)}
    for name, tensor in tensors.items():
        parts = name.split(".")
        for depth in range(1, len(parts)):
            below = found.setdefault(".".join(parts[:depth]), {})
            below[".".join(parts[depth:])] = tensor
    return found


def _given(tensors: dict[str, Tensor], backbone: Backbone, path: Path) -> _Found:
    """The network of a known architecture: the one that is whole, or has its first stages.

    If there is none, what comes nearest, so that it can be said what does not fit.
    """
    every = _matches(backbone, _by_prefix(tensors).items())
    every.sort(key=lambda one: one.fits, reverse=True)  # of the same number, the outermost first
    usable = [one for one in every if one.whole or one.after]
    if usable:
        chosen = _only([one for one in usable if one.fits == usable[0].fits], path)
        if chosen.fits < len(tensors) / 2 and not chosen.whole:
            raise WeightsError(
                f"what ends at {chosen.after!r} must be most of a file, but of the {len(tensors)}"
                f" tensors of '{path}' {chosen.fits} are of {backbone.name}. If they are what you"
                f" want, pass --key {chosen.key}."
            )
        return chosen
    nearest, total = every[0], len(backbone.source_names)
    if nearest.fits < total / 2:
        raise WeightsError(
            f"weights must be of the backbone {backbone.name!r}, but of its {total} tensors"
            f" {nearest.fits} are in '{path}' with their name and shape. It holds"
            f" {_some(tensors)}. Pass the backbone that they were made for."
        )
    return nearest


def _guessed(tensors: dict[str, Tensor], path: Path) -> _Found:
    """The network of the only registered architecture that fits wholly and leaves nothing over."""
    places = _by_prefix(tensors)
    fits: list[_Found] = []
    for name in track(backbones.names(), what="look for the architecture", unit="backbone"):
        with torch.device("meta"):
            wanted = backbones.get(name).build(3).source_names.values()
        likely = [(key, below) for key, below in places.items() if _as_many(below, wanted)]
        if likely:
            every = _matches(outline(name), likely)
            fits += [one for one in every if one.whole and one.classifier_alone]
    names = list(dict.fromkeys(one.backbone.name for one in fits))
    if len(names) != 1:
        what = f"{len(names)} do: {', '.join(names)}" if names else "none does"
        raise WeightsError(
            f"one of `medgraft list backbones` must fit '{path}' tensor by tensor, but {what}."
            f" It holds {_some(tensors)}. Pass --backbone to see what does not fit."
        )
    return _only(fits, path)


def _as_many(names: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether there are as many tensors as the stages and perhaps a classifier have."""
    count = sum(not name.startswith(AUXILIARY) and not name.endswith(COUNTER) for name in names)
    return 0 <= count - sum(not name.endswith(COUNTER) for name in wanted) <= 2


def _only(fits: list[_Found], path: Path) -> _Found:
    if len(fits) > 1 and len({one.key for one in fits}) > 1:
        keys = ", ".join(f"--key {one.key}" for one in fits if one.key)
        raise WeightsError(
            f"a file must hold one network, or say which to take, but '{path}' holds {len(fits)}."
            f" Pass one of: {keys}."
        )
    return fits[0]


def _some(tensors: Mapping[str, Tensor]) -> str:
    shown = [f"{name} {tuple(t.shape)}" for name, t in list(tensors.items())[:4]]
    more = f" and {len(tensors) - len(shown)} more" if len(tensors) > len(shown) else ""
    return f"{', '.join(shown)}{more}"


def _shapes(backbone: Backbone) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of the stages, by the names of timm, in the order of computation."""
    ours = backbone.stages.state_dict()
    return {theirs: tuple(ours[name].shape) for name, theirs in backbone.source_names.items()}


def _matches(backbone: Backbone, places: Iterable[tuple[str, dict[str, Tensor]]]) -> list[_Found]:
    """What of `backbone` the tensors at each place are."""
    shapes = _shapes(backbone)
    return [_match(backbone, shapes, key, tensors) for key, tensors in places]


def _match(
    backbone: Backbone,
    shapes: dict[str, tuple[int, ...]],
    key: str,
    tensors: dict[str, Tensor],
) -> _Found:
    """What of `backbone` these tensors are, by the name map that finds most."""
    first = next(iter(shapes))
    called_here = {theirs: ours for ours, theirs in backbone.source_names.items()}
    best: _Found | None = None
    for called in name_maps.names():
        names = name_maps.get(called)
        pairs = names.match(tensors.keys(), called_here)
        found = {
            wanted: _shaped(tensors[name], shapes[wanted], any_input=wanted == first)
            for wanted, name in pairs.items()
        }
        fits = sum(fit for _, fit in found.values())
        if best is None or fits > best.fits:
            taken = set(pairs.values())
            rest = {name: t for name, t in tensors.items() if name not in taken}
            counted = _counted({name: t for name, (t, _) in found.items()}, shapes)
            best = _Found(backbone, key, names, counted, rest, fits + len(counted) - len(found))
    assert best is not None
    return best


def _shaped(tensor: Tensor, ours: tuple[int, ...], *, any_input: bool) -> tuple[Tensor, bool]:
    """A tensor in our shape, and whether it has one; a linear layer is one of 1 x 1 kernels."""
    theirs = tuple(tensor.shape)
    if len(theirs) == 2 and ours == (*theirs, 1, 1):
        return tensor.reshape(ours), True
    if any_input and len(theirs) == len(ours) > 2:
        return tensor, theirs[:1] + theirs[2:] == ours[:1] + ours[2:]
    return tensor, theirs == ours


def _counted(found: dict[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """With the counters of batch norms that files written before PyTorch 0.4.1 do not have."""
    counters = {
        name: torch.tensor(0)
        for name in shapes
        if name.endswith(COUNTER)
        and name not in found
        and f"{name.removesuffix(COUNTER)}running_var" in found
    }
    return {**found, **counters}


def _load(
    found: _Found, options: dict[str, Any], classes: int | None, path: Path
) -> tuple[Network, str | None, list[str], list[str]]:
    """The network with its weights, the last stage, what was set, and what was not used.

    Raises:
        WeightsError: If tensors of a stage are missing or have another shape.
        ArgumentError: If the head has not as many outputs as it must.
    """
    after = found.after
    head = {} if after else _head(found, classes)
    if classes is not None and not head:
        raise ArgumentError(
            f"--classes {classes} needs a head of one linear layer, but '{path}' has none."
            " Leave --classes out."
        )
    made = create(
        found.backbone.name,
        in_channels=found.in_channels,
        classes=len(head["head.fc.bias"]) if head else 1,
        after=after,
        options=options,
    )
    file = WeightFile(source=str(path), tensors={**found.tensors, **head})
    fit = load_into(made.network, file)
    names = {name for name in fit.loaded if name.startswith("head.")}
    used = [n if n in names else f"backbone.stages.{n}" for n in fit.loaded]
    taken = set()
    if names and found.classifier:
        taken = {f"{found.classifier[0]}.{leaf}" for leaf in ("weight", "bias")}
    return made.network, after, used, [name for name in found.rest if name not in taken]


def _head(found: _Found, classes: int | None) -> dict[str, Tensor]:
    """The classifier as our head, without an output for the background."""
    if found.classifier is None:
        return {}
    _, weight, bias = found.classifier
    background = len(bias) == (BACKGROUND if classes is None else classes + 1)
    if classes is not None and len(bias) - background != classes:
        raise ArgumentError(
            f"the head must have {classes} outputs, as --classes says, but it has {len(bias)}."
            " Pass that number, or leave --classes out."
        )
    return {"head.fc.weight": weight[background:], "head.fc.bias": bias[background:]}
