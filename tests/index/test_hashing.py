"""Hashes find copies: exact ones by content, altered ones by look."""

import io
from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy.fft import dctn

from medgraft.index.hashing import array_id, content_id, near_pairs, perceptual, thumbnail


def smooth(seed, size=(224, 224)):
    """A picture with structure at all scales, as films have."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(size=size) / (1 + np.hypot(*np.mgrid[: size[0], : size[1]])) ** 1.5
    picture = dctn(waves, type=3)
    picture = (picture - picture.min()) / np.ptp(picture)
    return (picture * 255).astype(np.uint8)


def bits(a, b):
    return (perceptual(a[None]) ^ perceptual(b[None])).bit_count()


def recompressed(picture, quality):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def test_a_compressed_or_scaled_copy_is_near_and_another_picture_is_far():
    for seed in range(5):
        one, other = smooth(seed), smooth(seed + 100)
        half = np.asarray(Image.fromarray(one).resize((112, 112), Image.Resampling.BOX))
        darker = (one * 0.7 + 20).astype(np.uint8)
        assert max(bits(one, recompressed(one, 40)), bits(one, half), bits(one, darker)) <= 4
        assert bits(one, other) > 12
        for copy in (recompressed(one, 40), half, darker):
            assert thumbnail(one[None]) @ thumbnail(copy[None]) > 0.99


def test_the_hash_is_the_sign_of_scipys_cosines():
    picture = smooth(3, (64, 96))
    small = picture.reshape(32, 2, 32, 3).mean(axis=(1, 3))
    waves = dctn(small, type=2)[:8, :8].ravel()
    expected = waves > np.median(waves[1:])
    expected[0] = False
    assert perceptual(picture[None]) == int("".join("01"[int(b)] for b in expected), 2)


def test_an_image_without_a_look_has_no_hash():
    assert perceptual(np.full((1, 9, 9), 7, np.uint8)) is None
    assert perceptual(np.array([[[0, np.nan], [1, 2]]], np.float32)) is None
    assert perceptual(np.array([[[0, np.inf], [1, 2]]], np.float32)) is None


def test_any_shape_is_hashed():
    rng = np.random.default_rng(0)
    for shape in [(1, 50, 1), (3, 1, 2), (1, 2, 300, 5), (2, 7, 9, 11), (1, 1, 2)]:
        assert isinstance(perceptual(rng.random(shape, dtype=np.float32)), int)


@given(arrays(np.uint64, st.integers(0, 40), elements=st.integers(0, 255)), st.integers(0, 5))
def test_near_pairs_are_those_that_a_loop_finds(hashes, distance):
    expected = [
        [i, j, (int(hashes[i]) ^ int(hashes[j])).bit_count()]
        for i, j in combinations(range(len(hashes)), 2)
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= distance
    ]
    assert near_pairs(hashes, distance).tolist() == expected


def test_pairs_are_found_across_blocks(monkeypatch):
    hashes = np.random.default_rng(0).integers(0, 64, 100, dtype=np.uint64)
    whole = near_pairs(hashes, 1)
    monkeypatch.setattr("medgraft.index.hashing.BLOCK", 7)
    np.testing.assert_array_equal(near_pairs(hashes, 1), whole)


def test_the_search_stops_before_it_fills_the_memory():
    assert len(near_pairs(np.zeros(5000, np.uint64), 0, most=1000)) == 1000


def test_content_is_the_same_whatever_the_name(tmp_path):
    for name, text in [("a", "x"), ("b", "x"), ("c", "y")]:
        (tmp_path / name).write_text(text)
    assert content_id(tmp_path / "a") == content_id(tmp_path / "b") != content_id(tmp_path / "c")


def test_the_shape_and_kind_of_an_array_belong_to_its_content():
    flat = np.zeros(4, np.uint8)
    assert len({array_id(a) for a in (flat, flat.reshape(2, 2), flat.astype(np.int8))}) == 3
    assert array_id(np.zeros((2, 2))[:, ::-1]) == array_id(np.zeros((2, 2)))
