"""Several runs on one page, and the command that makes it."""

import json
import subprocess
import sys

import pytest
from report_outline import Outline

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError
from medgraft.report import write_comparison
from medgraft.report.words import number


def test_gives_each_run_a_polygon_a_column_and_its_own_numbers(binary, phantoms, tmp_path):
    page = write_comparison([binary.folder, phantoms.folder], tmp_path).read_text()
    outline = Outline(page)
    assert outline.wrong == []
    assert "://" not in page
    assert page.count("<svg") == 1
    for run in (binary, phantoms):
        metrics = json.loads((run.folder / "evaluation.json").read_text())["metrics"]
        assert all(number(m["value"]) in outline.text for m in metrics.values())
        assert run.kind in outline.text
    assert "judged on different images" in outline.text
    assert "phantoms: Synthetic phantoms" in outline.text


def test_same_images_raise_no_doubt(binary, tmp_path):
    page = write_comparison([binary.folder, binary.folder], tmp_path).read_text()
    assert "different images" not in page


def test_one_run_is_no_comparison(binary, tmp_path):
    with pytest.raises(ArgumentError, match="at least 2 runs, got 1"):
        write_comparison([binary.folder], tmp_path)


class TestCommand:
    def test_writes_again_what_a_run_has(self, binary, capsys):
        (binary.folder / "report.html").unlink()
        assert main(["report", str(binary.folder)]) == 0
        assert capsys.readouterr().out.strip() == str(binary.page)
        assert binary.page.read_text() == binary.html

    def test_compares_several(self, binary, phantoms, tmp_path, capsys):
        out = tmp_path / "both"
        assert main(["report", str(binary.folder), str(phantoms.folder), "--out", str(out)]) == 0
        assert (out / "figures" / "hexagon.svg").is_file()

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [(["nowhere"], "evaluation.json"), (["a", "b"], "--out")],
    )
    def test_wrong_calls_are_one_line_and_status_2(self, arguments, said, capsys):
        assert main(["report", *arguments]) == 2
        told = capsys.readouterr().err
        assert told.startswith("error: ")
        assert said in told
        assert told.count("\n") == 1

    def test_a_full_folder_is_not_written_over(self, binary, tmp_path, capsys):
        (tmp_path / "mine.txt").write_text("keep")
        assert main(["report", str(binary.folder), "--out", str(tmp_path)]) == 2
        assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_needs_no_torch():
    code = "import sys, medgraft.report; assert not {'torch', 'timm', 'matplotlib'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
