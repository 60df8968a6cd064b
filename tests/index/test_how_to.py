"""The page on adding a layout tells the truth: what it says is run."""

import re
import runpy
from pathlib import Path

import pytest

from medgraft.index.build import build
from medgraft.index.layouts import layouts

PAGE = Path(__file__).parents[2] / "docs/how-to/add-a-layout.md"


def test_the_layout_of_the_page_finds_the_rows_of_the_page(tmp_path, picture):
    if not PAGE.is_file():
        pytest.skip(f"the documentation is not at '{PAGE}'")
    example, part = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    for name, text in (("example.py", example), ("part.py", part)):
        lines = [line.removeprefix("   ") for line in text.splitlines()]
        (tmp_path / name).write_text("\n".join(lines))
    layouts.names()  # so that the family is complete before the page joins it
    runpy.run_path(str(tmp_path / "part.py"))
    try:
        asked, rows = runpy.run_path(str(tmp_path / "example.py"))["make"](tmp_path, picture)
        assert asked == {}
        assert layouts.get("patient_folders").recognise(tmp_path)
        (tmp_path / "part.py").unlink()
        (tmp_path / "example.py").unlink()
        index = build(tmp_path, layout="patient_folders", workers=0).index
    finally:
        layouts._parts.pop("patient_folders")
    assert index.frame.select(list(rows[0])).rows(named=True) == rows
