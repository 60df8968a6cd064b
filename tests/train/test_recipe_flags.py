"""`medgraft train` as it is called: files, flags, and what is wrong with them."""

import pytest

from medgraft.cli import train as command
from medgraft.cli.__main__ import _parse, main
from medgraft.train.recipe import Recipe, save_recipe


def settings(*arguments):
    found = _parse(command.Train, "train", ["films.parquet", *arguments], command)
    return found.settings


def test_flags_override_the_file_and_the_file_the_defaults(tmp_path):
    file = tmp_path / "other.yaml"
    save_recipe(Recipe(size=64, epochs=20, augment=("flip",), clip=None), file)
    found = settings("--out", "run", "--recipe", str(file), "--epochs", "3")
    assert (
        found.model_dump() == Recipe(size=64, epochs=3, augment=("flip",), clip=None).model_dump()
    )
    assert settings("--out", "run", f"--recipe={file}").epochs == 20


def test_a_run_to_resume_brings_its_recipe(tmp_path):
    save_recipe(Recipe(size=64, seed=7), tmp_path / "recipe.yaml")
    found = settings("--out", str(tmp_path), "--resume")
    assert (found.size, found.seed) == (64, 7)


def test_lists_and_windows_are_written_as_people_write_them():
    found = settings("--out", "run", "--window", "-1000", "400", "--augment", "flip", "zoom")
    assert (found.window, found.augment) == ((-1000, 400), ("flip", "zoom"))
    assert settings("--out", "run", "--window", "file").window == "file"
    assert settings("--out", "run", "--clip", "none").clip is None
    assert settings("--out", "run", "--augment").augment == ()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--epochs", "0"], "epochs: input should be greater than or equal to 1, got 0"),
        (["--threshold", "best"], "threshold: a threshold must be a number, youden"),
        (["--test", "1"], "test: input should be less than 1"),
        (["--recipe", "none.yaml"], "--recipe must name a file"),
        (["--resume"], "--resume needs a run that was stopped"),
        (["--device", "meta"], "--device must name a device of this machine, got 'meta'"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_2(arguments, says, spots, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", str(spots), "--out", str(out), *arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"error: {says}")
    assert not list(out.glob("*"))


def test_an_unknown_key_in_a_recipe_is_exit_2_with_the_near_name(spots, tmp_path, capsys):
    file = tmp_path / "recipe.yaml"
    file.write_text("size: 32\neppochs: 3\n")
    call = ["train", str(spots), "--out", str(tmp_path / "run"), "--recipe", str(file)]
    assert main([*call, "--epochs", "3"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "no recipe key is called 'eppochs'. Did you mean 'epochs'?" in line
