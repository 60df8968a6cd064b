"""ONNX: a graph that onnxruntime and many other programs compute."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medgraft import __version__
from medgraft.errors import ArgumentError
from medgraft.export.formats import IMAGES, PROBABILITIES, Format, Opened, formats

OPSET = 18  # the lowest that torch writes without converting: onnxruntime 1.14 (2023) reads it
LARGEST = 2**31 - 1  # bytes of one protobuf message
ERROR = 3  # severity from which onnxruntime speaks


def write(module: nn.Module, images: Tensor, path: Path) -> None:
    """Write a module as one ONNX file whose first axis is free.

    Raises:
        ArgumentError: If its tensors do not fit one file.
    """
    size = sum(t.numel() * t.element_size() for t in module.state_dict().values())
    if size > LARGEST:
        raise ArgumentError(
            f"one ONNX file must be smaller than {LARGEST:,} bytes, but the tensors of this network"
            f" take {size:,}. Export a smaller run, such as one that ends at an earlier stage."
        )
    program = torch.onnx.export(
        module,
        (images,),
        input_names=[IMAGES],
        output_names=[PROBABILITIES],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        opset_version=OPSET,
        verbose=False,
    )
    assert program is not None  # it is None for the exporter that came before this one
    model = program.model_proto
    _forget_makers(model)
    _save(model, path)


def _forget_makers(model: Any) -> None:
    """Drop what torch noted for its own debugging: lines and paths of the code that ran."""
    graph = model.graph
    values = (*graph.input, *graph.output, *graph.value_info, *graph.initializer)
    for part in (model, graph, *graph.node, *values):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    model.producer_name, model.producer_version = "medgraft", __version__


def annotate(path: Path, notes: Mapping[str, str]) -> None:
    """Set ``metadata_props``, which onnxruntime gives as ``custom_metadata_map``."""
    import onnx

    model = onnx.load_model_from_string(path.read_bytes())
    onnx.helper.set_model_props(model, dict(notes))
    _save(model, path)


def _save(model: Any, path: Path) -> None:
    import onnx

    content = model.SerializeToString()
    onnx.checker.check_model(content, full_check=True)
    path.write_bytes(content)


def open_(path: Path) -> Opened:
    """Open a file with onnxruntime, on the processor, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERROR
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def ask(images: np.ndarray) -> np.ndarray:
        return np.asarray(session.run([PROBABILITIES], {IMAGES: images})[0])

    return Opened(ask, dict(session.get_modelmeta().custom_metadata_map))


formats.add(
    "onnx",
    Format(
        name="onnx",
        suffix=".onnx",
        extra="onnx",
        modules=("onnx", "onnxscript", "onnxruntime"),
        write=write,
        annotate=annotate,
        open=open_,
    ),
)
