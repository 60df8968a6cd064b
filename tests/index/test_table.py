"""An index survives its file, and refuses what it must not hold."""

import polars as pl
import pytest

from medgraft.errors import TableError
from medgraft.index import Index


@pytest.fixture
def index(tmp_path):
    frame = pl.DataFrame(
        {
            "image_id": ["a", "b"],
            "path": ["x/1.png", "y/2\n.png"],
            "label": ["ill", "well"],
            "patient_id": ["p", None],
            "shape": [[1, 4, 4], None],
            "phash": pl.Series([2**64 - 1, None], dtype=pl.UInt64),
        }
    )
    (tmp_path / "data").mkdir()
    rejects = pl.DataFrame({"path": ["z, \n.png"], "reason": ['a "quote"'], "remedy": ["none"]})
    return Index(frame, tmp_path / "data", ("label",), "folders", rejects=rejects)


def test_what_is_saved_is_loaded(index, tmp_path):
    index.save(tmp_path / "index.parquet")
    again = Index.load(tmp_path / "index.parquet")
    assert again.frame.equals(index.frame)
    assert again.rejects.equals(index.rejects)
    assert (again.root, again.labels, again.layout, again.patients_known) == (
        index.root,
        ("label",),
        "folders",
        True,
    )


def test_rejects_are_copied_under_the_name_of_the_index(index, tmp_path):
    for name in ("one", "two"):
        index.save_rejects(tmp_path / f"{name}.parquet")
    for name in ("one", "two"):
        found = pl.read_csv(tmp_path / f"{name}.rejects.csv")
        assert found.rows() == index.rejects.rows()


def test_rejects_of_an_index_that_was_replaced_go(index, tmp_path):
    path = tmp_path / "one.parquet"
    file = index.save_rejects(path)
    assert file is not None
    assert Index(index.frame, index.root).save_rejects(path) is None
    assert not file.exists()


def test_an_index_that_moved_with_its_data_is_found(index, tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "data").rename(tmp_path / "old/data")
    moved = Index(index.frame, tmp_path / "old/data", ("label",))
    moved.save(tmp_path / "old/index.parquet")
    (tmp_path / "old").rename(tmp_path / "new")
    assert Index.load(tmp_path / "new/index.parquet").root == tmp_path / "new/data"


def test_two_indexes_in_one_folder_keep_their_own_rejects(index, tmp_path):
    index.save(tmp_path / "one.parquet")
    Index(index.frame, tmp_path / "data", ("label",)).save(tmp_path / "two.parquet")
    assert Index.load(tmp_path / "one.parquet").rejects.height == 1
    assert Index.load(tmp_path / "two.parquet").rejects.height == 0


def test_missing_images_are_one_line(index, tmp_path):
    index.save(tmp_path / "index.parquet")
    (tmp_path / "data").rmdir()
    with pytest.raises(TableError, match="neither is a folder") as error:
        Index.load(tmp_path / "index.parquet")
    assert "\n" not in str(error.value)


def test_what_is_no_index_is_refused_in_one_line(tmp_path):
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("no parquet")
    (tmp_path / "empty.parquet").write_bytes(b"")
    for name, words in [
        ("other.parquet", "no index of medgraft"),
        ("text.parquet", "whole Parquet file"),
        ("empty.parquet", "whole Parquet file"),
        ("absent.parquet", "must exist"),
        (".", "is a folder"),
    ]:
        with pytest.raises(TableError, match=words) as error:
            Index.load(tmp_path / name)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", ["/etc/passwd", "../a.png", "a/../../b.png", "C:\\a.png", "a/.."])
@pytest.mark.parametrize("column", ["path", "mask_path"])
def test_a_path_never_leaves_the_root(path, column, tmp_path):
    row = {"image_id": "a", "path": "a.png", "mask_path": None} | {column: path}
    with pytest.raises(TableError, match="inside the root"):
        Index(pl.DataFrame([row]), tmp_path)


def test_names_with_two_dots_are_not_climbing(tmp_path):
    frame = pl.DataFrame({"image_id": ["a"], "path": ["a..b/..c.png"]})
    assert len(Index(frame, tmp_path)) == 1


def test_a_label_must_exist_and_not_hide_a_column(tmp_path):
    frame = pl.DataFrame({"image_id": ["a"], "path": ["a.png"], "label": ["x"]})
    with pytest.raises(TableError, match="Did you mean 'label'"):
        Index(frame, tmp_path, ("lable",))
    with pytest.raises(TableError, match="column of every index"):
        Index(frame, tmp_path, ("split",))


def test_an_unknown_part_is_refused(tmp_path):
    frame = pl.DataFrame({"image_id": ["a"], "path": ["a.png"], "split": ["training"]})
    with pytest.raises(TableError, match="training"):
        Index(frame, tmp_path)
