"""Find the command, parse its flags, run it, and turn errors into exit codes."""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import pkgutil
import signal
import sys
import textwrap
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medgraft.errors import CheckRefusedError, MedgraftError
from medgraft.registry import unknown_name

if TYPE_CHECKING:
    from tyro.constructors import ConstructorRegistry

WIDTH = 80
NOTHING = ("none", "None", "null")
DONE, BUG, WRONG_CALL, REFUSED, INTERRUPTED = 0, 1, 2, 3, 130


def entry() -> int:
    """The program `medgraft`: `main`, in a process of its own."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `medgraft list backbones | head`
    return main()


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; the process it runs in stays as it is.

    0 done; 1 our bug; 2 wrong call or bad input; 3 a check refused; 130 stopped by Ctrl-C.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        return _run(arguments)
    except CheckRefusedError as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    except MedgraftError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_CALL
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED
    except Exception:  # noqa: BLE001 (the last place where a bug can be told from bad input)
        traceback.print_exc()
        print("error: this is a bug in medgraft; the lines above say where.", file=sys.stderr)
        return BUG


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return DONE if arguments else WRONG_CALL
    if arguments[0] == "--version":
        from medgraft import __version__

        print(__version__)
        return DONE
    name, *rest = arguments
    if name not in commands():
        raise unknown_name("command", name, commands())
    module = importlib.import_module(f"medgraft.cli.{name.replace('-', '_')}")
    kind = getattr(module, _class_name(name))
    try:
        command = _parse(kind, name, rest, module)
    except SystemExit as stop:
        return int(stop.code or 0)
    command.run()
    return DONE


def _parse(kind: type, name: str, arguments: list[str], module: Any) -> Any:
    import tyro

    defaults = module.defaults(arguments) if hasattr(module, "defaults") else {}
    page = _Page()
    try:
        with redirect_stdout(page):  # tyro prints nothing there but help
            return tyro.cli(
                kind,
                args=arguments,
                prog=f"medgraft {name}",
                description=inspect.cleandoc(kind.__doc__ or ""),
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
                registry=_constructors(),
                **defaults,
            )
    finally:
        print(_wrapped(page.getvalue()), end="")


class _Page(io.StringIO):
    """Keeps what is printed, and is a terminal if the program's output is one."""

    def isatty(self) -> bool:
        return sys.__stdout__ is not None and sys.__stdout__.isatty()


def _wrapped(page: str) -> str:
    """A page of help with its paragraphs filled, which tyro prints as one line each.

    Examples:
        >>> print(_wrapped("word " * 20 + "end"))
        word word word word word word word word word word word word word word word word
        word word word word end
    """
    lines = page.splitlines(keepends=True)
    return "".join(
        textwrap.fill(line, WIDTH) + "\n" * line.endswith("\n") if line[:1].isalpha() else line
        for line in lines
    )


def _constructors() -> ConstructorRegistry:
    """How words become values: nothing is called `none`, `None` or `null`."""
    from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

    registry = ConstructorRegistry()

    @registry.primitive_rule
    def nothing(kind: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[None] | None:
        if kind.type is not type(None):
            return None
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar="none",
            choices=NOTHING,
            instance_from_str=lambda _: None,
            is_instance=lambda value: value is None,
            str_from_instance=lambda _: [NOTHING[0]],
        )

    return registry


def commands() -> list[str]:
    """Names of all commands, from the files beside this one."""
    folder = Path(__file__).parent
    names = (module.name for module in pkgutil.iter_modules([str(folder)]))
    return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))


def _class_name(command: str) -> str:
    return "".join(part.capitalize() for part in command.split("-"))


def summary(command: str) -> str:
    """First line of a command's docstring, read without importing it."""
    file = Path(__file__).parent / f"{command.replace('-', '_')}.py"
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == _class_name(command):
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


def _overview() -> str:
    width = max(map(len, commands()), default=0)
    lines = [f"  {name:<{width}}  {summary(name)}" for name in commands()]
    return "\n".join(
        [
            "usage: medgraft COMMAND [OPTIONS]",
            "",
            "Turns an archive of medical images with few labels into a diagnosis model that its",
            "makers can defend.",
            "",
            "commands:",
            *lines,
            "",
            "medgraft COMMAND --help says more, with an example.",
        ]
    )


if __name__ == "__main__":
    sys.exit(entry())
