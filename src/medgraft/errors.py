"""Every error that medgraft raises on purpose.

    MedgraftError
    ├── ArgumentError (ValueError)          an argument or option is out of range
    ├── UnknownNameError (LookupError)      a part that nobody registered
    ├── NameTakenError (ValueError)         two parts under one name
    ├── ShapeError (ValueError)             an array of the wrong shape or kind
    ├── MissingExtraError (ImportError)     an optional package is not installed
    ├── ReadError (OSError)                 a file that cannot be read as an image
    ├── TableError (ValueError)             an index, label or prediction table that is not usable
    ├── LeakageError (ValueError)           a patient, group or image in two parts of a split
    ├── StoreError (OSError)                the array store cannot be written or is damaged
    ├── OutputError (OSError)               an output exists already, or cannot be written
    ├── WeightsError (ValueError)           weights that do not fit the network
    ├── UnsafeFileError (ValueError)        a file that would execute code
    ├── EvidenceError (ValueError)          what a model said is not what an acquisition needs
    ├── UndefinedMetricError (ValueError)   a number that the rows at hand do not define
    ├── LedgerError (RuntimeError)          the ledger of labels refuses an act
    │   └── LeaseError                      an image that is not this reader's to answer
    ├── WorkerError (RuntimeError)          a worker process cannot start
    ├── TrainingError (RuntimeError)        training cannot start or go on
    │   └── DivergedError                   a loss is not finite
    └── CheckRefusedError (RuntimeError)    a check found what must not pass (exit status 3)

A message says what must hold, what came, where, and what to do, in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class MedgraftError(Exception):
    """Base class: catch this one to catch everything above."""


class ArgumentError(MedgraftError, ValueError):
    """An argument, flag or recipe key is out of its range or unknown."""


class UnknownNameError(MedgraftError, LookupError):
    """Nothing is registered under the name that was asked for."""


class NameTakenError(MedgraftError, ValueError):
    """Something is already registered under this name."""


class ShapeError(MedgraftError, ValueError):
    """An array has the wrong shape or kind."""


class MissingExtraError(MedgraftError, ImportError):
    """An optional package is needed; the message says how to install it."""


class ReadError(MedgraftError, OSError):
    """A file cannot be read as an image.

    Attributes:
        path: The file, as it was asked for.
        reason: What is wrong with it, in one clause.
        remedy: What the user can do about it.
    """

    def __init__(self, path: str | Path, reason: str, remedy: str) -> None:
        super().__init__(f"cannot read '{path}': {reason}. {remedy}")
        self.path = str(path)
        self.reason = reason
        self.remedy = remedy


class TableError(MedgraftError, ValueError):
    """An index, a label table or a table of predictions is not usable."""


class LeakageError(MedgraftError, ValueError):
    """Something that must stay in one part of a split is in two.

    Attributes:
        offenders: The patients, groups or image ids in question.
    """

    def __init__(self, message: str, offenders: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.offenders = tuple(offenders)


class StoreError(MedgraftError, OSError):
    """The array store cannot be written, or what it holds is damaged."""


class OutputError(MedgraftError, OSError):
    """An output exists already, or its folder cannot be written."""


class WeightsError(MedgraftError, ValueError):
    """Weights do not fit the network they were given to."""


class UnsafeFileError(MedgraftError, ValueError):
    """A file would execute code if it were loaded; medgraft does not load it."""


class EvidenceError(MedgraftError, ValueError):
    """What a model said of a pool is wrong, or not enough for an acquisition."""


class UndefinedMetricError(MedgraftError, ValueError):
    """The rows at hand do not define the number that was asked for."""


class LedgerError(MedgraftError, RuntimeError):
    """The ledger of labels refuses an act; nothing of it was saved."""


class LeaseError(LedgerError):
    """An image is not in the hands of the reader who answers it; nothing was saved."""


class WorkerError(MedgraftError, RuntimeError):
    """A worker process cannot start."""


class TrainingError(MedgraftError, RuntimeError):
    """Training cannot start, or cannot go on."""


class DivergedError(TrainingError):
    """A loss is infinite or not a number; no weight was moved by it."""


class CheckRefusedError(MedgraftError, RuntimeError):
    """A check found something that would invalidate a result."""
