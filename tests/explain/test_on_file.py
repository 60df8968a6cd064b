"""A run's answer about one file, its heat on the grid of that file."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medgraft.errors import ReadError, UnknownNameError
from medgraft.explain.explainers import explainers
from medgraft.explain.on_file import MOST_CELLS, lay, look
from medgraft.prepare.geometry import prepare_placed
from medgraft.prepare.pipeline import pipeline
from medgraft.read import Scan
from medgraft.train.predict import load_ensemble, predict_files


@pytest.fixture(scope="module")
def asked(spotted):
    return load_ensemble(spotted[1], device="cpu")


def test_it_answers_as_predict_does(spotted, asked):
    folder, run = spotted
    files = sorted((folder / "images").glob("*.png"))[:4]
    table = predict_files(run, files, device="cpu").table
    for row, file in zip(table.iter_rows(named=True), files, strict=True):
        found = look(*asked, str(file))
        wanted = {name[2:]: p for name, p in row.items() if name.startswith("p_")}
        assert found.probabilities == pytest.approx(wanted, abs=1e-6)  # another batch size
        assert found.explained == max(found.probabilities, key=found.probabilities.get)


def brightness(network, images, classes, stage):
    """An explainer that says how bright each of 8 x 8 cells is."""
    return torch.nn.functional.adaptive_avg_pool2d(images.mean(1), 8) - images.min()


@pytest.mark.parametrize("shape", [(32, 32), (64, 32), (32, 80), (200, 150)])
def test_the_heat_lies_where_the_cause_lies_even_where_preparation_padded_the_film(
    asked, tmp_path, monkeypatch, shape
):
    monkeypatch.setattr(explainers, "get", lambda name: SimpleNamespace(explain=brightness))
    film = np.zeros(shape, np.uint8)
    rows, columns = slice(shape[0] // 8, shape[0] // 3), slice(shape[1] // 2, 3 * shape[1] // 4)
    film[rows, columns] = 255
    Image.fromarray(film).save(tmp_path / "film.png")
    heat = look(*asked, str(tmp_path / "film.png")).heat
    factor = -(-max(shape) // MOST_CELLS)
    assert heat.shape == tuple(-(-size // factor) for size in shape)
    row, column = (factor * place for place in np.unravel_index(heat.argmax(), heat.shape))
    assert rows.start - factor <= row < rows.stop + factor
    assert columns.start - factor <= column < columns.stop + factor


def test_another_class_can_be_explained_and_an_unknown_one_is_refused(spotted, asked):
    file = str(sorted((spotted[0] / "images").glob("*.png"))[0])
    one, other = (look(*asked, file, label=name) for name in asked[1]["labels"])
    assert (one.explained, other.explained) == tuple(asked[1]["labels"])
    assert not np.array_equal(one.heat, other.heat)
    with pytest.raises(UnknownNameError, match="no label is called 'middle'"):
        look(*asked, file, label="middle")


def test_a_file_of_another_kind_is_refused(asked, tmp_path):
    np.save(tmp_path / "volume.npy", np.zeros((4, 32, 32, 32), np.uint8))
    with pytest.raises(ReadError):
        look(*asked, str(tmp_path / "volume.npy"))


def test_no_gradient_and_no_mode_is_left_behind(spotted, asked):
    network = asked[0].best.network
    look(*asked, str(sorted((spotted[0] / "images").glob("*.png"))[0]))
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not network.training
    assert not torch.is_inference_mode_enabled()


@given(
    shape=st.tuples(st.integers(6, 300), st.integers(6, 300)),
    cells=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    turned=st.booleans(),
    along=st.integers(0, 1),
)
def test_every_cell_is_laid_over_the_pixels_it_was_made_of(shape, cells, turned, along):
    """Heat that is the row (or column) of the file at the middle of each cell is that everywhere."""
    chain = pipeline(["intensity", "pad_square", "resize:side=48"])
    scan = Scan(np.random.default_rng(0).random((1, *shape)).astype(np.float32))
    _, geometry = prepare_placed(scan, chain)
    if turned:  # as `orient` does to a volume that lies the other way round
        ends = [o + s * 47 for o, s in zip(geometry.offsets, geometry.scales, strict=True)]
        geometry = replace(geometry, scales=tuple(-s for s in geometry.scales), offsets=tuple(ends))
    middles = [
        offset + scale * ((np.arange(count) + 0.5) * 48 / count - 0.5)
        for offset, scale, count in zip(geometry.offsets, geometry.scales, cells, strict=True)
    ]
    heat = np.broadcast_to(middles[along][:, None] if along == 0 else middles[along], cells)
    laid = lay(heat.astype(np.float32), geometry)
    assert laid.shape == tuple(-(-size // -(-size // MOST_CELLS)) for size in shape)
    block = -(-shape[along] // MOST_CELLS)
    places = np.arange(laid.shape[along]) * block + (block - 1) / 2
    # half a cell from the rim, and where the file ends, there is nothing to interpolate to
    room = max(np.ptp(middles[along]) / (cells[along] - 1), block)
    sure = (places >= middles[along].min() + room) & (places <= middles[along].max() - room)
    rows = laid[:, laid.shape[1] // 2] if along == 0 else laid[laid.shape[0] // 2]
    np.testing.assert_allclose(rows[sure], places[sure], atol=0.02 * shape[along])
