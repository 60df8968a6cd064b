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
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from medgraft.cli._called import calling
from medgraft.errors import CheckRefusedError, MedgraftError
from medgraft.registry import unknown_name

if TYPE_CHECKING:
    from tyro.constructors import ConstructorRegistry

FOLDER = Path(__file__).parent
WIDTH = 80
NOTHING = ("none", "None", "null")
DONE, BUG, WRONG_CALL, REFUSED, INTERRUPTED = 0, 1, 2, 3, 130


def entry() -> int:
    """The program `medgraft`: `main`, in a process of its own."""
    signal.signal(signal.SIGTERM, _stop)  # what schedulers send: as Ctrl-C
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `medgraft list backbones | head`
    return main()


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # they repeat it, and mean no more by that
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; the process it runs in stays as it is.

    0 done; 1 our bug; 2 wrong call or bad input; 3 a check refused; 130 stopped by Ctrl-C.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        with calling(arguments):
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
    name, rest = split(arguments)
    if name in groups():
        print(_overview(name))
        return DONE if rest else WRONG_CALL
    module = load(name)
    try:
        command = _parse(getattr(module, class_name(name)), name, rest, module)
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


def split(arguments: list[str]) -> tuple[str, list[str]]:
    """The name of the command and its arguments; the name of a group if only help is asked for.

    Raises:
        UnknownNameError: If there is no such command.

    Examples:
        >>> split(["active", "score", "table.csv"])
        ('active score', ['table.csv'])
    """
    name, *rest = arguments
    if name in groups():
        if not rest or rest[0] in ("-h", "--help"):
            return name, rest
        name, *rest = f"{name} {rest[0]}", *rest[1:]
    if name not in commands():
        raise unknown_name("command", name, [*commands(), *groups()])
    return name, rest


def load(command: str) -> ModuleType:
    """The module of a command."""
    return importlib.import_module(f"medgraft.cli.{'.'.join(_path(command))}")


def commands() -> list[str]:
    """Names of all commands, from the files beside this one and in its folders (groups)."""
    return sorted(
        [*_names(FOLDER), *(f"{group} {n}" for group in groups() for n in _inside(group))]
    )


def groups() -> list[str]:
    """Names of the groups of commands: the folders beside this file."""
    return sorted(_names(FOLDER, folders=True))


def _inside(group: str) -> list[str]:
    return _names(FOLDER.joinpath(*_path(group)))


def _names(folder: Path, *, folders: bool = False) -> list[str]:
    found = (part for part in pkgutil.iter_modules([str(folder)]) if part.ispkg is folders)
    return [part.name.replace("_", "-") for part in found if not part.name.startswith("_")]


def _path(command: str) -> list[str]:
    return command.replace("-", "_").split()


def class_name(command: str) -> str:
    """Name of the class of a command.

    Examples:
        >>> class_name("lr-find"), class_name("active score")
        ('LrFind', 'Score')
    """
    return "".join(part.capitalize() for part in command.split()[-1].split("-"))


def summary(command: str) -> str:
    """First line of the docstring of a command or group, read without importing it."""
    place = FOLDER.joinpath(*_path(command))
    if place.is_dir():
        return _first_line(ast.parse((place / "__init__.py").read_text(encoding="utf-8")))
    for node in ast.parse(place.with_suffix(".py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name(command):
            return _first_line(node)
    return ""


def _first_line(node: ast.Module | ast.ClassDef) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]


def _overview(group: str = "") -> str:
    """What there is: all commands, or those of one group."""
    names = _inside(group) if group else [*_names(FOLDER), *groups()]
    width = max(map(len, names), default=0)
    lines = [f"  {name:<{width}}  {summary(f'{group} {name}'.strip())}" for name in sorted(names)]
    program = f"medgraft {group}".strip()
    about = (
        [summary(group)]
        if group
        else [
            "Turns an archive of medical images with few labels into a diagnosis model that its",
            "makers can defend.",
        ]
    )
    return "\n".join(
        [
            f"usage: {program} COMMAND [OPTIONS]",
            "",
            *about,
            "",
            "commands:",
            *lines,
            "",
            f"{program} COMMAND --help says more, with an example.",
        ]
    )


if __name__ == "__main__":
    sys.exit(entry())
