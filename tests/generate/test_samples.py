"""Samples as files, and that none of them is ever judged on."""

import hashlib
import shutil

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, LeakageError, OutputError, TableError
from medgraft.generate.generator import load_generator
from medgraft.generate.samples import write_samples
from medgraft.index import Index
from medgraft.index.build import build
from medgraft.index.layouts import Asked
from medgraft.index.marks import is_marked
from medgraft.index.split import folds, split, use_fold


@pytest.fixture(scope="module")
def samples(trained, tmp_path_factory):
    """Twenty samples of a conditional model."""
    generator = load_generator(trained("vae", conditional=True))
    out = tmp_path_factory.mktemp("samples") / "samples"
    return write_samples(generator, out, 20, seed=4, start=7)


@pytest.fixture
def mixed(spots_index, samples, tmp_path):
    """From parts of samples to an index of real images and samples; written, not checked."""

    def make(part):
        real, made = Index.load(spots_index), Index.load(samples)
        root = tmp_path / "both"
        if not root.exists():
            shutil.copytree(real.root / "images", root / "images")
            for path in made.frame["path"]:
                shutil.copy(made.root / path, root / path)
        frame = made.frame.with_columns(split=pl.lit(part, pl.String))
        return pl.concat([real.frame, frame], how="diagonal"), root

    return make


def spoil(path, part):
    """Change the part of generated rows in a file behind the back of `Index`."""
    meta = pl.read_parquet_metadata(path)
    frame = pl.read_parquet(path)
    made = pl.col("generated").fill_null(value=False)
    frame = frame.with_columns(split=pl.when(made).then(pl.lit(part)).otherwise("split"))
    frame.write_parquet(path, metadata={k: v for k, v in meta.items() if k != "ARROW:schema"})


class TestFiles:
    def test_are_the_samples_with_their_provenance(self, trained, samples):
        generator = load_generator(trained("vae", conditional=True))
        wanted = generator.sample(20, seed=4, start=7)
        labels = generator.labels(20, seed=4, start=7)
        frame = Index.load(samples).frame
        for place, row in enumerate(frame.iter_rows(named=True)):
            file = samples.parent / row["path"]
            with Image.open(file) as image:
                texts = dict(image.text)
                assert np.array_equal(np.asarray(image), wanted[place, 0].numpy())
            assert texts["medgraft.weights"] == generator.record["hash"]
            assert texts["medgraft.run"] == generator.run.path.name
            assert (texts["medgraft.seed"], texts["medgraft.index"]) == ("4", str(7 + place))
            assert texts["medgraft.class"] == labels[place] == row["side"]
            assert row["generated"] is True
            assert row["split"] is None
            assert (row["sample_seed"], row["sample_number"]) == (4, 7 + place)
            assert row["image_id"] == hashlib.sha256(file.read_bytes()).hexdigest()

    def test_nothing_is_written_of_a_wrong_call(self, trained, samples, tmp_path):
        generator = load_generator(trained("vae", conditional=True))
        with pytest.raises(ArgumentError, match="It knows: left, right"):
            write_samples(generator, tmp_path / "out", 3, seed=0, label="up")
        assert not (tmp_path / "out").exists()
        with pytest.raises(OutputError, match="new or empty"):
            write_samples(generator, samples.parent, 3, seed=0)

    def test_the_command_draws_them(self, trained, tmp_path, capsys):
        run, out = str(trained("dcgan").path), tmp_path / "out"
        assert (
            main(["generate", "sample", run, "--count", "3", "--seed", "2", "--out", str(out)]) == 0
        )
        assert "written  3 samples" in capsys.readouterr().out
        index = Index.load(out / "samples.parquet")
        assert index.labels == ()
        assert index.frame["generated"].to_list() == [True] * 3
        images = torch.stack(
            [torch.from_numpy(np.array(Image.open(f))) for f in sorted(out.glob("*.png"))]
        )
        assert torch.equal(images, load_generator(run).sample(3, seed=2)[:, 0])
        assert main(["generate", "sample", run, "--count", "0", "--out", str(tmp_path / "no")]) == 2

    def test_are_known_for_what_they_are_by_their_own_words(self, samples, spots_index, tmp_path):
        for path in Index.load(samples).frame["path"]:
            assert is_marked(samples.parent / path)
        real = Index.load(spots_index)
        assert not any(is_marked(real.root / path) for path in real.frame["path"])
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")  # cut off
        assert not is_marked(tmp_path / "a.png")
        assert not is_marked(tmp_path / "nothing.png")
        # other words before ours do not hide it
        from PIL.PngImagePlugin import PngInfo

        notes = PngInfo()
        notes.add_text("a", "b" * 300)
        notes.add_itxt("medgraft.generated", "true")
        Image.new("L", (4, 4)).save(tmp_path / "b.png", pnginfo=notes)
        assert is_marked(tmp_path / "b.png")


class TestNoneIsJudgedOn:
    """At every door: what is refused, and that the same without samples is not."""

    def test_in_python(self, mixed):
        frame, root = mixed("train")
        assert Index(frame, root, labels=("side",)).frame["generated"].sum() == 20
        for part in ("val", "test"):
            frame, root = mixed(part)
            with pytest.raises(LeakageError, match=f"but 20 are in {part}: 000007.png"):
                Index(frame, root, labels=("side",))

    def test_by_a_split(self, mixed, tmp_path, capsys):
        frame, root = mixed(None)
        index = Index(frame.with_columns(split=pl.lit(None, pl.String)), root, labels=("side",))
        with pytest.raises(LeakageError, match="split those first"):
            split(index, test=0.3, val=0.3)
        with pytest.raises(LeakageError):
            use_fold(folds(index, count=3), 0)
        index.save(tmp_path / "both.parquet")
        assert main(["split", str(tmp_path / "both.parquet"), "--test", "0.4"]) == 2
        assert "generated images must stand in the train part" in capsys.readouterr().err

    @pytest.mark.parametrize("part", ["val", "test"])
    def test_by_a_split_made_by_hand(self, mixed, part, tmp_path, trained, capsys):
        frame, root = mixed("train")
        path = tmp_path / "both.parquet"
        Index(frame, root, labels=("side",)).save(path)
        spoil(path, part)
        out = ["--out", str(tmp_path / "out")]
        for command in (
            ["train", str(path), "--backbone", "resnet18", *out],
            ["pretrain", str(path), *out],
            ["generate", "train", str(path), *out],
            ["audit", str(path)],
        ):
            assert main(command) == 2, command
            assert "20 are in" in capsys.readouterr().err, command
        assert not (tmp_path / "out" / "recipe.yaml").exists()

    def test_from_a_table(self, mixed, tmp_path, capsys):
        """CSV in, samples listed: with the column, and without it by the words of the files."""
        frame, root = mixed("test")
        table = frame.select("path", "side", "generated", patient="patient_id", part="split")
        table.write_csv(root / "table.csv")
        asked = Asked(
            path="path", label=("side",), patient="patient", split="part", table="table.csv"
        )
        with pytest.raises(LeakageError, match="20 are in test"):
            build(root, layout="csv", asked=asked, workers=0)
        table.drop("generated").write_csv(root / "table.csv")
        with pytest.raises(LeakageError, match="20 are in test"):
            build(root, layout="csv", asked=asked, workers=0)
        table.with_columns(generated=pl.lit("no")).write_csv(root / "table.csv")
        with pytest.raises(TableError, match="must be true, false or empty"):
            build(root, layout="csv", asked=asked, workers=0)
        # told that they are real: their own words count
        table.with_columns(generated=pl.lit("false")).write_csv(root / "table.csv")
        with pytest.raises(LeakageError, match="20 are in test"):
            build(root, layout="csv", asked=asked, workers=0)

    def test_indexed_again_they_are_marked_and_real_images_are_not(self, samples, spots_index):
        made = build(samples.parent, layout="folders", workers=0).index
        assert made.frame["generated"].to_list() == [True] * 20
        real = build(Index.load(spots_index).root / "images", layout="folders", workers=0).index
        assert "generated" not in real.frame.columns

    def test_in_the_index_of_a_run_that_is_evaluated_or_compared(self, mixed, tmp_path):
        frame, root = mixed("train")
        run = tmp_path / "run"
        run.mkdir()
        Index(frame, root, labels=("side",)).save(run / "index.parquet")
        spoil(run / "index.parquet", "test")
        with pytest.raises(LeakageError):
            Index.load(run / "index.parquet")

    def test_models_do_not_learn_from_what_models_made(self, mixed, trained, tmp_path):
        from tests.generate.conftest import train_tiny
        from tests.generate.test_training import same_weights

        frame, root = mixed("train")
        path = tmp_path / "both.parquet"
        Index(frame, root, labels=("side",)).save(path)
        run = train_tiny(path, tmp_path / "run", "vae")
        assert same_weights(run.path, trained("vae").path)
        assert "20 generated images of the index were left out" in run.record.read_text()
