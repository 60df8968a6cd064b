"""`medgraft generate quality` from a run to the page."""

import shutil

import numpy as np
import polars as pl
import pytest

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, TableError
from medgraft.files import read_json
from medgraft.generate.generator import load_generator
from medgraft.generate.quality.features import Seeing
from medgraft.generate.quality.job import Asked, draw, judge_generator
from medgraft.index import Index
from medgraft.report import write_generation
from medgraft.report.quality import answer, copying
from medgraft.runs import RunFolder

EYE = Seeing("resnet18", "none", after="layer1", device="cpu")
FEW = Asked(neighbours=3, replicates=30)


@pytest.fixture(scope="module")
def judged(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("judged") / "quality"
    assert main([*asked(trained("vae").path), "--out", str(out)]) == 0
    return out


def asked(run):
    flags = ["--backbone", "resnet18", "--weights", "none", "--after", "layer1"]
    few = ["--neighbours", "3", "--replicates", "30", "--device", "cpu"]
    return ["generate", "quality", str(run), *flags, *few]


def test_it_writes_all_measures_of_samples_and_of_unseen_images(judged):
    found = read_json(judged / "quality.json")
    assert found["generated"].keys() == found["real"].keys()
    assert found["images"] == {"each": 8, "training": 28, "shown": 8}
    assert found["unit"] == "patient"
    for table in (found["generated"], found["real"]):
        for entry in table.values():
            assert entry["low"] <= entry["high"]


def test_the_page_says_it_and_shows_the_pairs(judged):
    page, found = (judged / "quality.html").read_text(), read_json(judged / "quality.json")
    assert answer(found) in page.replace('<span class="whole">', "").replace("</span>", "")
    assert copying(found).partition(".")[0] in page
    assert page.count("data:image/png") == 3, "pairs, reconstructions, interpolations"
    assert "There are 8 images in each set" in page
    assert "random weights" in page


def test_the_page_of_the_run_says_what_its_samples_are_worth_once_they_are_judged(
    trained, tmp_path, capsys
):
    run = RunFolder(shutil.copytree(trained("vae").path, tmp_path / "run"))
    write_generation(run.path)
    assert "What its samples are worth" not in run.report.read_text()
    assert main(asked(run.path)) == 0
    page = run.report.read_text().replace('<span class="whole">', "").replace("</span>", "")
    assert answer(read_json(run.quality / "quality.json")) in page
    assert "There are 8 images in each set" in page
    assert str(run.quality / "quality.html") in capsys.readouterr().out


def test_a_generator_of_training_images_is_said_to_memorise(
    trained, spots_index, tmp_path, monkeypatch
):
    """Its samples are replaced by training images with a little noise."""
    from medgraft.generate.quality import job

    def stolen(generator, count, *, seed):
        images = draw(generator, count, seed=seed)
        index = Index.load(spots_index).part("train")
        from PIL import Image

        for place, path in enumerate(index.frame["path"][:count]):
            images.array[place, 0] = np.asarray(Image.open(index.file(path))) ^ (place % 2)
        return images

    monkeypatch.setattr(job, "draw", stolen)
    run = trained("vae")
    found = judge_generator(run, tmp_path / "out", EYE, FEW, command=[])
    assert found["copying"]["p"] < 1e-6
    assert copying(found).startswith("It memorises")
    assert found["generated"]["copies"]["value"] == 1


def test_values_come_again_and_do_not_depend_on_the_replicates(trained, tmp_path):
    run = trained("vae")
    two = [
        judge_generator(run, tmp_path / str(n), EYE, Asked(8, "val", 3, n), command=[])
        for n in (0, 10)
    ]
    for name, entry in two[0]["generated"].items():
        assert entry["value"] == two[1]["generated"][name]["value"]
        assert entry["low"] is None


def test_drawn_samples_are_those_of_the_generator(trained):
    generator = load_generator(trained("vae"), device="cpu")
    images = draw(generator, 5, seed=3)
    np.testing.assert_array_equal(images.gather(np.arange(5)), generator.sample(5, seed=3).numpy())


def test_another_index_is_compared_with_its_own_parts(trained, spots_index, tmp_path):
    index = Index.load(spots_index)
    part = pl.when(pl.col("split") == "train").then(pl.lit("train")).otherwise(pl.lit("test"))
    other = tmp_path / "other.parquet"
    index.with_frame(index.frame.with_columns(part.alias("split"))).save(other)
    asked = Asked(neighbours=3, replicates=0, split="test")
    found = judge_generator(
        trained("vae"), tmp_path / "out", EYE, asked, index_path=other, command=[]
    )
    assert found["images"]["each"] == 20
    with pytest.raises(TableError, match="images in its val part, and has none"):
        judge_generator(trained("vae"), tmp_path / "b", EYE, FEW, index_path=other, command=[])


def test_more_neighbours_than_images_are_refused_before_anything_is_written(trained, tmp_path):
    with pytest.raises(ArgumentError, match="more images than --neighbours 8, but there are"):
        judge_generator(trained("vae"), tmp_path / "out", EYE, Asked(neighbours=8), command=[])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flag", ["--images", "--neighbours", "--replicates"])
def test_numbers_out_of_range_are_exit_2(trained, flag, capsys):
    assert main(["generate", "quality", str(trained("vae").path), flag, "-1"]) == 2
    assert f"error: {flag} must be at least" in capsys.readouterr().err
