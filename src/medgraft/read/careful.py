"""Whatever goes wrong while one file is read becomes one `ReadError` about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from medgraft.errors import MedgraftError, ReadError
from medgraft.read.quiet import quiet
from medgraft.read.request import Request

Result = TypeVar("Result")


def carefully(request: Request, action: Callable[[Request], Result]) -> Result:
    """Run `action`, in silence, and turn its errors into one about the file.

    Raises:
        ReadError: For every error of the file or of its decoder. Only what says that medgraft
            itself is broken (a missing import, a wrong name) passes as it is.
    """
    try:
        with quiet():
            return action(request)
    except (ReadError, ImportError, NameError):
        raise
    except MedgraftError as error:
        raise request.refusal(clause(error), "Look at the file with its own tools.") from error
    except MemoryError as error:
        raise request.refusal(
            "decoding it takes more memory than there is",
            "Read it on a larger machine, or pass a smaller max_bytes to refuse it sooner.",
        ) from error
    except FileNotFoundError as error:
        missing = error.filename or request.path
        raise request.refusal(f"there is no file '{missing}'", "Check the path.") from error
    except PermissionError as error:
        raise request.refusal(
            "this user may not read it", "Change its permissions, or ask its owner."
        ) from error
    except Exception as error:  # a decoder's own error, of whatever class, is about this file
        raise request.refusal(
            f"its decoder gave up ({clause(error)})",
            "The file is damaged or cut short; copy or export it again.",
        ) from error


def clause(error: Exception) -> str:
    r"""An exception of somebody else's library as one clause of one line.

    Examples:
        >>> clause(ValueError("no such\n  thing."))
        'ValueError: no such thing'
    """
    text = " ".join(str(error).split())
    text = text if len(text) <= 300 else f"{text[:297]}..."
    return f"{type(error).__name__}: {text.rstrip('.')}" if text else type(error).__name__
