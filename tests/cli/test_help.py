"""What help and wrong calls look like, for every command."""

import json

import pytest

from medgraft.cli.__main__ import commands, groups, main, summary
from medgraft.cli.list import FAMILIES


@pytest.mark.parametrize("command", commands())
def test_help_fits_80_columns_and_hides_empty_defaults(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*command.split(), "--help"]) == 0
    said = capsys.readouterr().out
    examples = [line for line in said.splitlines() if line.startswith("    medgraft")]
    wide = [line for line in said.splitlines() if len(line) > 80 and line not in examples]
    assert not [line for line in wide if not line.startswith("    ")]
    assert "(default: )" not in said
    assert "[[" not in said.partition("╭─ options")[0]


def test_files_are_called_files(capsys):
    main(["predict", "--help"])
    assert "RUN FILES" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["none", "None", "null"])
def test_each_word_for_nothing_is_understood(word):
    from medgraft.cli import __main__ as cli
    from medgraft.cli import train

    made = cli._parse(train.Train, "train", ["x", "--out", "y", "--clip", word], train)
    assert made.settings.clip is None


def test_every_family_of_the_package_is_listed_with_a_line(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(FAMILIES)
    assert all(len(line.split()) > 3 for line in lines)
    for family in FAMILIES:
        assert main(["list", family, "--json"]) == 0
        names = json.loads(capsys.readouterr().out)
        assert main(["list", family]) == 0
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == names


def test_a_part_is_described_with_its_options(capsys):
    assert main(["list", "generators", "dcgan"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "learn against each other" in said
    assert "r1: number, ≥ 0; 0.0 Weight of the squared gradient" in said, "of a parent class"
    assert "feature_matching: number, ≥ 0; 0.0" in said
    assert main(["list", "generators", "dcgan", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "learn against each other" in told["meaning"]
    assert {"r1", "latent"} < {one["name"] for one in told["options"]}
    assert main(["list", "metrics", "auroc"]) == 0
    assert "Area under the ROC curve" in capsys.readouterr().out
    assert main(["list", "generators", "dcgam"]) == 2
    assert "Did you mean 'dcgan'?" in capsys.readouterr().err


def test_no_registry_is_forgotten():
    import re
    from pathlib import Path

    import medgraft

    root = Path(medgraft.__file__).parent
    made = re.compile(r"^(\w+): Registry\[.*\] = Registry\(", re.MULTILINE)
    found = {name for file in root.rglob("__init__.py") for name in made.findall(file.read_text())}
    assert found == {name for _, name in FAMILIES.values()}


def test_a_range_error_of_a_flag_is_one_line(tmp_path, capsys):
    assert main(["train", "x.parquet", "--out", str(tmp_path / "run"), "--size", "3"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert (said.count("\n"), "got 3" in said, "http" in said) == (1, True, False)


@pytest.mark.parametrize("group", groups())
def test_a_group_says_which_commands_it_has(group, capsys):
    assert main([group]) == 2
    assert main([group, "--help"]) == 0
    said = capsys.readouterr().out
    for command in commands():
        if command.startswith(f"{group} "):
            assert f"  {command.removeprefix(group).strip()} " in said
            assert summary(command) in said


@pytest.mark.parametrize("group", groups())
def test_an_unknown_command_of_a_group_offers_the_nearest(group, capsys):
    known = next(command for command in commands() if command.startswith(f"{group} "))
    assert main([*f"{known}x".split(), "--help"]) == 2
    assert f"Did you mean {known!r}?" in capsys.readouterr().err
