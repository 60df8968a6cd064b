"""Weight files that may hold code, read in a process of their own that only takes tensors.

The file is unpickled by PyTorch's restricted reader, which knows tensors and plain containers
and refuses everything else. That process has a limit on its memory and its time, and what it
found comes back as safetensors: nothing that the file says is ever carried out here.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medgraft.errors import UnsafeFileError, WeightsError
from medgraft.pool import Reply, spread

TIMEOUT_SECONDS = 300
BASE_BYTES = 3 * 2**30  # PyTorch itself
COPIES = 6  # of the file, in memory: as read, as laid out, as written
CALLED = re.compile(r"GLOBAL ([\w.]+)")
BY_NAME = "Its maker can write the tensors alone with safetensors.torch.save_file(model.state_dict(), ...)."


def read_foreign(path: Path) -> dict[str, Tensor]:
    """All tensors of a weight file, by the path to each: ``state_dict.module.conv1.weight``.

    Args:
        path: Written by ``torch.save`` (zip or older), or a safetensors file.

    Raises:
        WeightsError: If it does not exist, is damaged, holds no named tensors, or takes too
            much memory or time.
        UnsafeFileError: If it would execute code; none of it has been executed.
    """
    if not path.is_file():
        raise WeightsError(f"FILE must be a file of weights, but '{path}' is none.")
    with tempfile.TemporaryDirectory() as folder:
        tensors = Path(folder) / "tensors.safetensors"
        task = {"path": str(path.resolve()), "out": str(tensors)}
        with spread(
            "medgraft.nets.foreign:loading",
            [task],
            what=f"read {path.name}",
            workers=1,
            timeout_seconds=TIMEOUT_SECONDS,
            memory_bytes=BASE_BYTES + COPIES * path.stat().st_size,
        ) as replies:
            _check(next(replies), path)
        from safetensors.torch import load_file

        found: dict[str, Tensor] = load_file(str(tensors))
        return found


def _check(reply: Reply, path: Path) -> None:
    """Raise what the other process found wrong."""
    said = reply.said
    if reply.failure is not None:
        raise WeightsError(
            f"'{path}' must be a file of weights, but reading it failed: {reply.failure[0]}."
            " It is damaged, or claims more than it holds; copy or download it again."
        )
    if "calls" in said:
        raise UnsafeFileError(
            f"a weight file must hold tensors alone, but '{path}' would execute code when it is"
            f" loaded ({said['calls']}); nothing was executed. {BY_NAME}"
        )
    if "wrong" in said:
        raise WeightsError(
            f"'{path}' must be a whole file of weights: {said['wrong']}."
            " Copy or download it again."
            f" {BY_NAME}"
        )


@contextmanager
def loading() -> Iterator[Callable[[dict[str, str]], tuple[dict[str, Any], None]]]:
    """The work of the other process: read one file, write its tensors, say what went wrong."""
    yield _load


def _load(task: dict[str, str]) -> tuple[dict[str, Any], None]:
    from safetensors.torch import save_file

    try:
        found = dict(_dense(_tensors(_content(Path(task["path"])))))
        if not found:
            return {"wrong": "it holds no named tensor"}, None
        save_file(found, task["out"])
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 (a stranger's file may fail in any way)
        return _said(error), None
    return {}, None


def _content(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(str(path))
    # The one place: in a process of its own, by the reader that executes nothing.
    return torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251


def _said(error: Exception) -> dict[str, str]:
    """What an error says of the file, in one clause."""
    text = " ".join(str(error).split())
    if type(error).__name__ == "UnpicklingError" and (called := CALLED.search(text)):
        return {"calls": called[1].rstrip(".")}
    if isinstance(error, KeyError) or "Unsupported operand" in text:
        return {"wrong": "it is not what torch.save writes"}
    if "TorchScript" in text:
        return {"calls": "a TorchScript program"}
    if "allocate memory" in text:
        raise MemoryError
    first = re.split(r"(?<=\w)\. ", text)[0].rstrip(".")[:200]
    return {"wrong": f"{type(error).__name__}, {first}" if first else "it ends too early"}


def _tensors(content: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Tensors in nested containers, by the path to each."""
    if isinstance(content, Tensor) and path:
        yield path, content
        return
    if isinstance(content, dict):
        items = [(str(key), value) for key, value in content.items()]
    elif isinstance(content, list | tuple) and path:
        items = [(str(place), value) for place, value in enumerate(content)]
    elif path:
        return  # a number or text beside the tensors
    else:
        raise TypeError(f"tensors must have names, but it holds a {type(content).__name__}")
    for key, value in items:
        yield from _tensors(value, f"{path}.{key}" if path else key)


def _dense(tensors: Iterator[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """Copies that share nothing, which safetensors needs."""
    seen: set[str] = set()
    for path, tensor in tensors:
        if path in seen:
            raise ValueError(f"two tensors are called {path!r}")
        seen.add(path)
        if tensor.layout is torch.strided and not tensor.is_quantized and not tensor.is_complex():
            yield path, tensor.detach().clone(memory_format=torch.contiguous_format)
