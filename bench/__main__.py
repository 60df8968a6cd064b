"""Run all benchmarks or those named: ``python -m bench [NAME ...] [--write docs/benchmarks.md]``."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

from bench import timing

HERE = Path(__file__).parent
HELPERS = {"timing", "data", "learner", "__main__", "__init__"}
OWN = {"scaling": HERE / "scaling.md"}  # pages of their own
TOP = """# Benchmarks

Every number here was measured by the command under its table, the rivals in turn in one process
group (A B A B ...), and is a median. Ratios above 1 mean that medgraft is faster. `make bench` makes
the environment `.venv-bench`, runs everything and rewrites this page.

"""


def names() -> list[str]:
    """All benchmarks, from the files beside this one."""
    return sorted({module.name for module in pkgutil.iter_modules([str(HERE)])} - HELPERS)


def main() -> int:
    """Run, print, and write if asked."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", nargs="*", choices=[[], *names()], help="default: all")
    parser.add_argument("--write", type=Path, help="Markdown page to bring up to date")
    parser.add_argument(
        "--cpu",
        action="store_true",
        help="one thread, processor time: for a machine that has other work",
    )
    asked = parser.parse_args()
    if asked.cpu:
        use_processor_time()
    failed = []
    for name in asked.name or names():
        try:
            section = importlib.import_module(f"bench.{name}").measure().markdown(name)
        except Exception as error:  # one benchmark that cannot run must not cost the others
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            failed.append(name)
            continue
        print(section, flush=True)
        if asked.write:
            put(OWN.get(name, asked.write), name, section)
    return 1 if failed else 0


def use_processor_time() -> None:
    """One thread, and a clock that stands still while others have the processor."""
    import torch

    torch.set_num_threads(1)
    timing.CLOCK = timing.Clock("cpu")


def put(page: Path, name: str, section: str) -> None:
    """Replace one section of the page where it stands, or add it at the end."""
    text = page.read_text(encoding="utf-8") if page.exists() else TOP
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, found, rest = text.partition(begin)
    if found:
        text = f"{before}{begin}{section}{end}{rest.partition(end)[2]}"
    else:
        text = f"{text.rstrip()}\n\n{begin}{section}{end}"
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
