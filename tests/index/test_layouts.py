"""Every layout keeps the contract; a new one is tested by adding a file to ``layouts/``."""

import runpy
from pathlib import Path

import pytest

from medgraft.errors import ArgumentError, TableError
from medgraft.index.build import build
from medgraft.index.layouts import Asked, choose, layouts
from medgraft.read import read

EXAMPLES = Path(__file__).parent / "layouts"
PUBLISHED = [name for name in layouts.names() if layouts.get(name).published]
GENERAL = [name for name in layouts.names() if name not in PUBLISHED]


@pytest.fixture(params=layouts.names())
def example(request, tmp_path, picture):
    """A tiny tree in the layout: name, folder, what is asked, rows that must come out."""
    file = EXAMPLES / f"example_{request.param}.py"
    assert file.is_file(), f"write {file.name} with make(root, picture) -> (asked, rows)"
    root = tmp_path / "data"
    root.mkdir()
    asked, rows = runpy.run_path(str(file))["make"](root, picture)
    return request.param, root, Asked(**asked), rows


def test_the_layout_recognises_its_own_tree(example):
    name, root, _, _ = example
    assert layouts.get(name).recognise(root)


def test_auto_takes_the_right_layout_or_asks(example):
    name, root, _, _ = example
    try:
        part, why = choose("auto", root, Asked())
    except TableError as error:
        assert f"--layout {name} (" in str(error)  # noqa: PT017 (either is right)
    else:
        assert part.name == name
        assert why


@pytest.mark.parametrize("example", PUBLISHED, indirect=True)
def test_a_published_set_is_recognised_without_a_question(example):
    name, root, _, _ = example
    part, why = choose("auto", root, Asked())
    assert part.name == name
    assert "\n" not in why


def test_no_published_set_is_taken_for_another(example):
    name, root, _, _ = example
    others = [n for n in PUBLISHED if n != name]
    assert [n for n in others if layouts.get(n).recognise(root)] == []


def test_an_empty_folder_is_not_recognised_and_not_indexed(example, tmp_path):
    name, _, asked, _ = example
    empty = tmp_path / "empty"
    empty.mkdir()
    assert not layouts.get(name).recognise(empty)
    with pytest.raises(TableError) as error:
        build(empty, layout=name, asked=asked, workers=0)
    assert "\n" not in str(error.value)


def test_the_rows_are_those_expected(example):
    name, root, asked, expected = example
    index = build(root, layout=name, asked=asked, workers=0).index
    keys = list(expected[0])
    found = sorted(index.frame.select(keys).rows(named=True), key=lambda row: row["path"])
    assert found == sorted(expected, key=lambda row: row["path"])
    assert index.rejects.is_empty()


def test_every_row_can_be_read_and_is_described_rightly(example):
    name, root, asked, _ = example
    index = build(root, layout=name, asked=asked, workers=0).index
    for row in index.frame.iter_rows(named=True):
        array = read(index.file(row["path"])).array
        assert row["shape"] == list(array.shape)
        assert (row["low"], row["high"]) == (array.min(), array.max())


@pytest.mark.parametrize("example", GENERAL, indirect=True)  # decoding is the same for all others
def test_processes_and_no_processes_give_the_same_index(example):
    name, root, asked, _ = example
    if layouts.get(name).published:
        pytest.skip(
            "what is decoded in processes is the same for all; those of no set stand for it"
        )
    one = build(root, layout=name, asked=asked, workers=0).index
    two = build(root, layout=name, asked=asked, workers=2).index
    assert one.frame.equals(two.frame)


def test_what_a_layout_does_not_take_is_refused(example):
    name, root, _, _ = example
    for wish in sorted(set(Asked.__dataclass_fields__) - layouts.get(name).takes):
        value = ("x",) if wish == "label" else "x"
        with pytest.raises(ArgumentError, match=f"takes no --{wish}"):
            choose(name, root, Asked(**{wish: value}))


def test_every_layout_says_who_arranges_files_like_this():
    assert all(layouts.get(name).source for name in layouts.names())


def test_two_possible_layouts_are_a_question(tmp_path, picture):
    for number in range(2):
        picture(tmp_path / f"{'ab'[number]}/x.png", number)
    (tmp_path / "t.csv").write_text("file\na/x.png\n")
    with pytest.raises(TableError, match=r"--layout csv .*; --layout folders"):
        choose("auto", tmp_path, Asked())
    part, why = choose("auto", tmp_path, Asked(table="t.csv"))
    assert (part.name, why) == ("csv", "a table was named")


def test_a_folder_above_a_set_is_told_where_the_set_lies(tmp_path, picture):
    make = runpy.run_path(str(EXAMPLES / "example_aptos.py"))["make"]
    (tmp_path / "data/aptos2019").mkdir(parents=True)
    make(tmp_path / "data/aptos2019", picture)
    (tmp_path / "data/empty").mkdir()
    with pytest.raises(TableError) as error:
        choose("auto", tmp_path / "data", Asked())
    inner = tmp_path / "data/aptos2019"
    assert f"'{inner}' (aptos: train.csv has the columns of APTOS 2019). Name one of" in str(
        error.value
    )


def test_a_file_that_is_no_table_is_refused_and_a_table_says_what_it_lacks(tmp_path):
    (tmp_path / "films.zip").write_bytes(b"PK")
    with pytest.raises(TableError, match=r"films.zip' is none. If it is packed, unpack it"):
        choose("auto", tmp_path / "films.zip", Asked())
    (tmp_path / "films.csv").write_text("name,label\na,b\n")
    with pytest.raises(TableError, match="--path must name the column"):
        build(tmp_path / "films.csv", workers=0)
