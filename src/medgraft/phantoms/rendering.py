"""From what is on a film to its picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medgraft.phantoms.films import Body, Film

BRIGHTEST = 0.6  # share of the film's range that a lesion of contrast 1 adds
AT_ONCE = 32  # films rendered together: many enough to be quick, few enough for the cache
LETTERS = {  # 5 x 7 dots, as lead markers have them
    "C": ("01110", "10001", "10000", "10000", "10000", "10001", "01110"),
    "L": ("10000", "10000", "10000", "10000", "10000", "10000", "11111"),
    "M": ("10001", "11011", "10101", "10101", "10001", "10001", "10001"),
    "O": ("01110", "10001", "10001", "10001", "10001", "10001", "01110"),
    "R": ("11110", "10001", "10001", "11110", "10100", "10010", "10001"),
}


def render(films: Sequence[Film], *, side: int, contrast: float) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of films, and where their lesions are.

    Args:
        films: What `films.draw` decided.
        side: Pixels along each side.
        contrast: Brightness that the middle of a lesion adds, as a share of `BRIGHTEST`; 0
            leaves films that do not show whether there is a lesion.

    Returns:
        Pictures, float32 (N, side, side) in [0, 1], and masks, bool, of the same shape.
    """
    parts = [_render(films[k : k + AT_ONCE], side, contrast) for k in range(0, len(films), AT_ONCE)]
    pictures, masks = zip(*parts, strict=True)
    return np.concatenate(pictures), np.concatenate(masks)


def _render(films: Sequence[Film], side: int, contrast: float) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = _grid(side)
    inside, thickness = _outline([film.body for film in films], rows, columns)
    tissue = _tissue(films, side) * thickness
    muscle = _muscle([film.body for film in films], rows, columns) * inside
    profile = _lesions(films, rows, columns)
    bright = BRIGHTEST * contrast * profile + _nodes(films, rows, columns)
    body = (0.22 + bright) * thickness + tissue + 0.16 * muscle
    fog, gamma, noise = (
        _column([getattr(film.clutter, name) for film in films])
        for name in ("fog", "gamma", "noise")
    )
    light = np.clip(fog + body, 0, 1) ** gamma
    light += noise * _grain(films, side)
    light = np.clip(light, 0, 0.97)
    for picture, film in zip(light, films, strict=True):
        _add_clutter(picture, film)
    masks = (profile > 0.5) & (inside > 0.5)
    for picture, mask, film in zip(light, masks, films, strict=True):
        if film.laterality == "R":  # the chest wall of a right side lies at the right
            picture[:] = picture[:, ::-1].copy()
            mask[:] = mask[:, ::-1].copy()
        _add_marker(picture, film)
    return light.astype(np.float32), masks


def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each pixel's centre as shares of the side, shape (side, side)."""
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    return np.broadcast_to(centres[:, None], (side, side)), np.broadcast_to(centres, (side, side))


def _column(values: Sequence[float]) -> np.ndarray:
    return np.array(values, dtype=np.float32)[:, None, None]


def _soft(distance: np.ndarray, width: float) -> np.ndarray:
    """1 well below zero, 0 well above, smooth in between."""
    soft: np.ndarray = 0.5 - 0.5 * np.tanh(distance / width)
    return soft


def _outline(
    bodies: Sequence[Body], rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How much of a pixel is body, and how thick the body is there, both (N, S, S) in [0, 1]."""
    y = (rows - 0.5 - _column([b.middle for b in bodies])) / _column([b.height for b in bodies])
    x = columns / _column([b.depth for b in bodies])
    angle = np.arctan2(y, x)
    ripples = np.array([b.ripples for b in bodies], dtype=np.float32)[:, :, None, None]
    shape = 1 + sum(
        ripples[:, k] * wave(turns * angle)
        for k, (wave, turns) in enumerate([(np.cos, 2), (np.sin, 2), (np.cos, 3), (np.sin, 3)])
    )
    distance = np.hypot(x, y) / shape
    inside = _soft(distance - 1, 0.02)
    # A compressed body is of one thickness, and rounds off near the skin.
    thickness = inside * np.clip(1 - distance**6, 0.12, 1) ** 0.5
    return inside, thickness


def _tissue(films: Sequence[Film], side: int) -> np.ndarray:
    """Brightness of glandular tissue: noise with the spectrum of the breast, 1 / f**3 in power."""
    shared = _smooth_noise([film.texture_seeds[0] for film in films], side, slope=1.6)
    own = _smooth_noise([film.texture_seeds[1] for film in films], side, slope=1.3)
    density = _column([film.body.density for film in films])
    knots: np.ndarray = np.tanh(0.5 * (shared + 0.7 * own) + density - 0.3)
    return 0.20 * density + 0.17 * knots


def _smooth_noise(seeds: Sequence[int], side: int, *, slope: float) -> np.ndarray:
    """Noise with amplitude 1 / f**slope, mean 0 and standard deviation 1, (N, S, S)."""
    white = np.stack(
        [np.random.default_rng(s).standard_normal((side, side), np.float32) for s in seeds]
    )
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)) * side
    gain = np.where(frequency > 0, np.maximum(frequency, 1.5) ** -slope, 0)
    field = np.fft.irfft2(np.fft.rfft2(white) * gain, s=(side, side))
    field /= field.std(axis=(1, 2), keepdims=True)
    return field.astype(np.float32)


def _grain(films: Sequence[Film], side: int) -> np.ndarray:
    return np.stack(
        [
            np.random.default_rng([film.texture_seeds[1], 1]).standard_normal(
                (side, side), np.float32
            )
            for film in films
        ]
    )


def _muscle(bodies: Sequence[Body], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The triangle of muscle in the upper corner at the chest wall."""
    reach = _column([b.muscle for b in bodies])
    muscle: np.ndarray = _soft(columns / np.maximum(reach, 1e-3) + rows / 0.75 - 1, 0.06)
    return muscle * (reach > 0)


def _lesions(films: Sequence[Film], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Profile of each lesion, 1 in its middle, 0.5 at its edge, (N, S, S); 0 where none is."""
    profile = np.zeros((len(films), *rows.shape), np.float32)
    for number, lesion in enumerate(film.lesion for film in films):
        if lesion is None:
            continue
        y, x = rows - lesion.row, columns - lesion.column
        angle = np.arctan2(y, x)
        shape = 1 + sum(
            lesion.ripples[k] * wave(turns * angle)
            for k, (wave, turns) in enumerate([(np.cos, 2), (np.sin, 2), (np.cos, 3), (np.sin, 3)])
        )
        profile[number] = _soft(np.hypot(y, x) / (lesion.radius * shape) - 1, 0.45)
    return profile


def _nodes(films: Sequence[Film], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Brightness of the harmless spots of each film, (N, S, S)."""
    bright = np.zeros((len(films), *rows.shape), np.float32)
    for picture, film in zip(bright, films, strict=True):
        for node in film.nodes:
            y, x = rows - node.row, columns - node.column
            along = (x * np.cos(node.angle) + y * np.sin(node.angle)) / node.length
            across = (y * np.cos(node.angle) - x * np.sin(node.angle)) / node.width
            picture += node.brightness * np.exp(-(along**2 + across**2) / 2)
    return bright


def _add_clutter(picture: np.ndarray, film: Film) -> None:
    """White edges and tape, drawn into the picture, the chest wall at the left."""
    side = len(picture)
    top, right, bottom, _ = (round(width * side) for width in film.clutter.border)
    picture[:top] = picture[side - bottom :] = 0.98
    picture[:, side - right :] = 0.98
    row, column, length, width, angle = film.clutter.tape
    rows, columns = _grid(side)
    along = (columns - column) * np.cos(angle) + (rows - row) * np.sin(angle)
    across = (rows - row) * np.cos(angle) - (columns - column) * np.sin(angle)
    strip = (np.abs(along) < length / 2) & (np.abs(across) < width / 2)
    picture[strip] = 0.55 * picture[strip] + 0.38


def _add_marker(picture: np.ndarray, film: Film) -> None:
    """Side and view in lead letters, readable on the film, away from the chest wall."""
    side = len(picture)
    edge = 1 + round(max(film.clutter.border) * side)  # lead lies on the film, not on its edge
    dots = max(1, round(film.clutter.marker_height * side / 7))
    sign = _sign(film.laterality + film.view)
    sign = np.kron(sign, np.ones((dots, dots), bool))
    row, column = film.clutter.marker
    column = 1 - column if film.laterality == "R" else column
    top = _inside(row * side, sign.shape[0], side, edge)
    left = _inside(column * side, sign.shape[1], side, edge)
    picture[top : top + sign.shape[0], left : left + sign.shape[1]][sign] = 0.95


def _inside(centre: float, length: int, side: int, edge: int) -> int:
    """Where a sign begins that is to lie around `centre` and inside the edges."""
    return int(np.clip(centre - length / 2, edge, side - edge - length))


def _sign(text: str) -> np.ndarray:
    """Letters beside each other as dots, bool (7, 6 * len(text) - 1)."""
    letters = [np.array([[dot == "1" for dot in line] for line in LETTERS[c]]) for c in text]
    spaced = [np.pad(letter, ((0, 0), (0, 1))) for letter in letters]
    return np.concatenate(spaced, axis=1)[:, :-1]
