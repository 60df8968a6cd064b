"""What this machine is, and by which number format and layout it gains."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from medgraft.errors import ArgumentError, TableError
from medgraft.files import read_json, write_json
from medgraft.machine import cores
from medgraft.nets import create
from medgraft.train.batches import Placement

ROUNDS = 3  # steps of each way that are timed
WORTH = 1.1  # a gain below a tenth is noise on a shared machine


@dataclass(frozen=True)
class Compute:
    """How a run computes.

    Attributes:
        device: Where.
        precision: "float32" or "bfloat16" (of forward and backward passes; weights stay float32).
        memory_format: "contiguous" or "channels_last".
        why: Measured or asked for.
    """

    device: torch.device
    precision: str
    memory_format: str
    why: str

    @property
    def autocast(self) -> bool:
        """Whether forward passes run in bfloat16."""
        return self.precision == "bfloat16"

    @property
    def placement(self) -> Placement:
        """Where and how images are laid."""
        return Placement(self.device, self.memory_format == "channels_last")


def describe() -> dict[str, Any]:
    """Processor, cores, memory, accelerator."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cuda = torch.cuda.is_available()
    return {
        "processor": processor(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(pages / 2**30, 1),
        "accelerator": torch.cuda.get_device_name() if cuda else None,
    }


def processor() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    from importlib.metadata import version

    packages = ("torch", "torchvision", "timm", "numpy", "scipy", "polars", "pillow", "pydicom")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def find_device(name: str, local: int = 0) -> torch.device:
    """The device of that name; "auto" is the accelerator of this process, if there is one.

    Args:
        name: "auto", "cpu", "cuda" (that of this process) or one of several, such as "cuda:1".
        local: Number of this process on its machine.

    Raises:
        ArgumentError: If the machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(f"cuda:{local}" if name == "cuda" else name)
        if device.type == "meta":
            raise RuntimeError("it holds no numbers")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ArgumentError(
            f"--device must name a device of this machine, got {name!r}"
            f" ({str(error).splitlines()[0]}). `medgraft doctor` lists them."
        ) from error
    return device


def choose(
    device: torch.device, precision: str, memory_format: str, cache: Path, *, dims: int = 2
) -> Compute:
    """Fill in what the recipe leaves to measurement.

    Args:
        device: Where.
        precision: "auto", or what was asked for.
        memory_format: Likewise.
        cache: Where measurements are kept.
        dims: Spatial axes of the network.

    Raises:
        ArgumentError: If a network for volumes is to train in bfloat16 on a processor.
    """
    if dims == 3 and device.type == "cpu":
        return _for_volumes(device, precision, memory_format)
    if "auto" not in (precision, memory_format):
        return Compute(device, precision, memory_format, "asked for")
    speeds = measured(device, cache)
    best, usual = _fastest(speeds, precision, memory_format)
    gain = speeds[best] / speeds[usual]
    why = f"measured: {best} trains ResNet-18 {gain:.2f} times as fast as {usual}"
    way = best.partition("/")
    return Compute(device, way[0], way[2], why)


def _for_volumes(device: torch.device, precision: str, memory_format: str) -> Compute:
    """On a processor, in float32: the gradients of 3-D convolutions in bfloat16 are not to be trusted.

    With torch 2.14.1 (oneDNN, AMD EPYC) those of the weights were wrong by their own size, or not
    finite, for maps of 2 x 2 x 2 voxels, as the last stage of a ResNet has.
    """
    if precision == "bfloat16":
        raise ArgumentError(
            "networks for volumes must train in float32 on a processor, where gradients of 3-D"
            " convolutions in bfloat16 can be wrong, got --precision bfloat16. Leave it out."
        )
    layout = "contiguous" if memory_format == "auto" else memory_format
    return Compute(device, "float32", layout, "bfloat16 is not sound for volumes on a processor")


def _fastest(speeds: dict[str, float], precision: str, memory_format: str) -> tuple[str, str]:
    """The fastest way that leaves what was asked for as it is, and the plain one beside it.

    Examples:
        >>> speeds = {"float32/contiguous": 10, "float32/channels_last": 9,
        ...           "bfloat16/contiguous": 11, "bfloat16/channels_last": 20}
        >>> _fastest(speeds, "auto", "auto")
        ('bfloat16/channels_last', 'float32/contiguous')
        >>> _fastest(speeds, "float32", "auto")
        ('float32/contiguous', 'float32/contiguous')
    """
    precisions = ("float32", "bfloat16") if precision == "auto" else (precision,)
    layouts = ("contiguous", "channels_last") if memory_format == "auto" else (memory_format,)
    ways = [f"{p}/{m}" for p in precisions for m in layouts]
    best = max(ways, key=lambda way: speeds[way])
    return (best if speeds[best] >= WORTH * speeds[ways[0]] else ways[0]), ways[0]


def measured(device: torch.device, cache: Path, *, afresh: bool = False) -> dict[str, float]:
    """Images per second of training by precision and layout, measured once per machine."""
    path = cache / "doctor.json"
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    key = f"{place}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    try:
        known = read_json(path)
    except TableError:
        known = {}
    if afresh or key not in known:
        known[key], settled = measure(device)
        if settled:  # a machine that is too busy now is measured again by the next run
            write_json(path, known)
    speeds: dict[str, float] = known[key]
    return speeds


def measure(
    device: torch.device, *, size: int = 64, batch: int = 32, longest_seconds: float = 20.0
) -> tuple[dict[str, float], bool]:
    """Time a few training steps of a ResNet-18 in each precision and layout; takes seconds.

    The four ways take turns, so that a passing load on the machine meets all of them. On a machine
    whose cores are all taken, threads wait for each other and a step of 0.2 seconds can take four:
    no further round is begun once `longest_seconds` have passed.

    Returns:
        Images per second by way, and whether all rounds were run.
    """
    ways = [(p, m) for p in ("float32", "bfloat16") for m in ("contiguous", "channels_last")]
    steps = {way: _stepper(device, *way, size=size, batch=batch) for way in ways}
    began = time.perf_counter()
    seconds = {way: [steps[way]()][1:] for way in ways}  # the first one warms up
    rounds = 0
    while rounds < ROUNDS and not (rounds and time.perf_counter() - began > longest_seconds):
        for way in ways:
            seconds[way].append(steps[way]())
        rounds += 1
    middle = (rounds - 1) // 2
    speeds = {"/".join(way): round(batch / sorted(seconds[way])[middle], 1) for way in ways}
    return speeds, rounds == ROUNDS


def _stepper(device: torch.device, precision: str, layout: str, *, size: int, batch: int) -> Any:
    network = create("resnet18", in_channels=1, classes=2).network.to(device).train()
    images = torch.rand(batch, 1, size, size, device=device)
    if layout == "channels_last":
        network = network.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    targets = torch.arange(batch, device=device) % 2

    def step() -> float:
        began = time.perf_counter()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            logits = network(images)
        F.cross_entropy(logits.float(), targets).backward()  # type: ignore[no-untyped-call]
        network.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began

    return step
