"""A smaller network from a finished run: what it keeps, and what it weighs beside the whole one."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from medgraft.errors import ArgumentError
from medgraft.files import read_json
from medgraft.nets import Network, create, outline
from medgraft.nets.weights import parameters
from medgraft.progress import track
from medgraft.runs import RunFolder
from medgraft.train.predict import load_predictor
from medgraft.train.recipe import Recipe

PIXELS = 2**20  # of the images that are passed through both networks at a time
ROUNDS = 7  # in which the networks take turns, so that a passing load meets both


def shorter(run: RunFolder, recipe: Recipe) -> Recipe:
    """The recipe of the smaller run: the rows, preparation and weights of `run`, cut at `after`.

    Args:
        run: A finished run; its network may be cut already, and its head may be of any kind.
        recipe: How to train, and `after`, the last stage to keep.

    Raises:
        TableError: If the run is not finished.
        UnknownNameError: If it has no such stage; the near names are offered.
        ArgumentError: If no stage is named, or nothing would be cut off.
    """
    record = read_json(run.weights_record)
    backbone = outline(record["backbone"], after=record["after"])
    earlier = ", ".join(backbone.names[:-1])
    if recipe.after is None:
        raise ArgumentError(
            f"--after must name the last stage to keep of {backbone.name}, one of: {earlier}."
        )
    if backbone.position(recipe.after) == len(backbone.names) - 1:
        raise ArgumentError(
            f"--after must leave a stage out, but {recipe.after!r} is the last one of"
            f" '{run.path}'. Choose one of: {earlier or 'none, it has a single stage'}."
        )
    return recipe.model_copy(
        update={
            "backbone": record["backbone"],
            "weights": str(run.path),
            "channels": record["channels"],
            "steps": tuple(record["steps"]),
            "positive": record["positive"] if record["kind"] == "exclusive" else recipe.positive,
            "labels_per_class": None,  # the rows of the run are those that were drawn
        }
    )


def weigh(whole: RunFolder, smaller: RunFolder, *, device: str = "auto") -> dict[str, Any]:
    """Parameters, operations and speed of the networks of two runs, and their ratios.

    Operations are multiplications with an addition, in convolutions and linear layers, for one
    image. Speed is that of prediction in float32, measured on the same numbers in turns.

    Args:
        whole: The run that was cut.
        smaller: What was made of it; its images have the same shape.
        device: Where to measure.

    Returns:
        "whole" and "smaller", each with stage, parameters, operations and images_per_second;
        "ratios" of parameters and operations (whole over smaller) and of images_per_second
        (smaller over whole); "batch", "input" (C, *S), "device".
    """
    loaded = {"whole": load_predictor(whole, device), "smaller": load_predictor(smaller, device)}
    record = loaded["whole"][1]
    shape = (record["channels"], *record["input_size"])
    place = loaded["whole"][0].placement.device
    images = torch.rand(batch_of(shape), *shape, device=place)
    networks = {name: predictor.network for name, (predictor, _) in loaded.items()}
    speeds = measure_speeds(networks, images)
    found: dict[str, dict[str, Any]] = {
        name: {
            "stage": networks[name].backbone.names[-1],
            "parameters": parameters(networks[name])[0],
            "operations": operations(told, shape),
            "images_per_second": round(speeds[name], 1),
        }
        for name, (_, told) in loaded.items()
    }
    one, other = found["whole"], found["smaller"]
    ratios = {key: round(one[key] / other[key], 3) for key in ("parameters", "operations")}
    ratios["images_per_second"] = round(speeds["smaller"] / speeds["whole"], 3)
    return {
        **found,
        "ratios": ratios,
        "batch": len(images),
        "input": list(shape),
        "device": torch.cuda.get_device_name(place) if place.type == "cuda" else "processor",
        "threads": torch.get_num_threads(),
    }


def batch_of(shape: tuple[int, ...]) -> int:
    """Images to measure with at a time, 1 to 32.

    Examples:
        >>> batch_of((1, 224, 224)), batch_of((1, 16, 16)), batch_of((1, 256, 256, 256))
        (20, 32, 1)
    """
    pixels = torch.Size(shape[1:]).numel()
    return max(1, min(32, PIXELS // pixels))


def operations(record: dict[str, Any], shape: tuple[int, ...]) -> int:
    """Multiplications with an addition that one image costs, by running shapes alone.

    Args:
        record: What weights.json of a run says.
        shape: Of an image, (C, *S).
    """
    with torch.device("meta"):
        network = create(
            record["backbone"],
            in_channels=record["channels"],
            classes=len(record["labels"]),
            after=record["after"],
            head=record.get("head", "linear"),
            options=record["options"],
        ).network.eval()
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            network(torch.empty(1, *shape))
    return int(counter.get_total_flops()) // 2


def measure_speeds(networks: dict[str, Network], images: Tensor) -> dict[str, float]:
    """Images per second of prediction of each network, in the median of rounds in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    with torch.inference_mode():
        for _ in track(range(1 + ROUNDS), what="measure speed", unit="round"):
            for name, network in networks.items():
                seconds[name].append(_seconds(network.eval(), images))
    # the first round warms up
    return {name: len(images) / median(times[1:]) for name, times in seconds.items()}


def _seconds(network: Network, images: Tensor) -> float:
    began = time.perf_counter()
    network(images)
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
    return time.perf_counter() - began
