"""What the networks of a study cost: parameters, operations, memory, images per second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medgraft.files import read_json, write_json
from medgraft.nets import create
from medgraft.nets.published import PUBLISHED
from medgraft.nets.weights import parameters
from medgraft.runs import RunFolder
from medgraft.train.truncation import batch_of, measure_speeds, operations

NETWORKS = "networks.json"
KEYS = ("backbone", "after", "channels", "input_size", "labels", "head", "options")


@dataclass(frozen=True)
class Cost:
    """One network of a study, with the head for its labels.

    Attributes:
        backbone: Its architecture.
        after: Its last stage; None if it is whole.
        parameters: Of the network with its head; buffers are not counted.
        operations: Multiplications with an addition for one image, in convolutions and linear layers.
        memory_bytes: What one training image keeps for the backward pass, beside parameters, in float32.
        images_per_second: Of prediction in float32; the networks of a study took turns.
        family: As published; None if the architecture is not in the table.
        top1: Accuracy on ImageNet of the whole network in percent, as published.
        source: Who published it.
    """

    backbone: str
    after: str | None
    parameters: int
    operations: int
    memory_bytes: int
    images_per_second: float
    family: str | None
    top1: float | None
    source: str | None


def weigh_networks(runs: Mapping[str, RunFolder], out: Path) -> dict[str, Any]:
    """Weigh the networks of finished runs, once; what was measured before is kept.

    Speeds are comparable only if they were measured in turns, so a network that was added later
    has all of them measured again.

    Args:
        runs: A finished run of each network, by what it is called.
        out: Folder of the study, which keeps `networks.json`.

    Returns:
        "networks" by name, see `Cost`; "threads", "batch" and "device" of the speeds.
    """
    records = {name: _key(read_json(run.weights_record)) for name, run in runs.items()}
    path = Path(out) / NETWORKS
    before = read_json(path) if path.is_file() else {"of": {}}
    if all(before["of"].get(name) == record for name, record in records.items()):
        return dict(before)
    networks = {name: _network(record) for name, record in records.items()}
    images = {name: _images(record) for name, record in records.items()}
    speeds = _speeds(networks, images)
    found = {
        "of": records,
        "networks": {
            name: asdict(_cost(record, networks[name], images[name], speeds[name]))
            for name, record in records.items()
        },
        "batch": {name: len(batch) for name, batch in images.items()},
        "threads": torch.get_num_threads(),
        "device": "processor",
    }
    write_json(path, found)
    return found


def _key(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: record.get(key) for key in KEYS}


def _network(record: Mapping[str, Any]) -> Any:
    return create(
        record["backbone"],
        in_channels=record["channels"],
        classes=len(record["labels"]),
        after=record["after"],
        head=record["head"] or "linear",
        options=record["options"],
    ).network.eval()


def _images(record: Mapping[str, Any]) -> Tensor:
    shape = (record["channels"], *record["input_size"])
    return torch.rand(batch_of(shape), *shape)


def _speeds(networks: Mapping[str, Any], images: Mapping[str, Tensor]) -> dict[str, float]:
    """Networks with images of one shape take turns."""
    found: dict[str, float] = {}
    for shape in {batch.shape for batch in images.values()}:
        alike = {name: net for name, net in networks.items() if images[name].shape == shape}
        found |= measure_speeds(alike, images[next(iter(alike))])
    return found


def _cost(record: Mapping[str, Any], network: Any, images: Tensor, speed: float) -> Cost:
    published = PUBLISHED.get(record["backbone"])
    told = {**record, "head": record["head"] or "linear"}
    return Cost(
        backbone=record["backbone"],
        after=record["after"],
        parameters=parameters(network)[0],
        operations=operations(told, tuple(images.shape[1:])),
        memory_bytes=kept_bytes(network, images[:2]) // 2,
        images_per_second=round(speed, 2),
        family=published.family if published else None,
        top1=published.top1 if published else None,
        source=published.source if published else None,
    )


def kept_bytes(network: nn.Module, images: Tensor) -> int:
    """Bytes that a forward pass in training keeps for the backward pass, parameters left out.

    Each stretch of memory counts once, however many operations need it.

    Examples:
        >>> kept_bytes(nn.Sequential(nn.Linear(3, 5), nn.ReLU()), torch.zeros(2, 3))  # input, output
        64
    """
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    own |= {buffer.untyped_storage().data_ptr() for buffer in network.buffers()}
    held: dict[int, tuple[int, Tensor]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so no place is used twice
        return tensor

    training = network.training
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(images)
    network.load_state_dict(state)
    network.train(training)
    return sum(size for size, _ in held.values())


def distinct(names: Sequence[str], runs: Sequence[RunFolder]) -> dict[str, RunFolder]:
    """The first run of each name."""
    found: dict[str, RunFolder] = {}
    for name, run in zip(names, runs, strict=True):
        found.setdefault(name, run)
    return found
