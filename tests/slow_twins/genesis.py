"""Models Genesis and Semantic Genesis window by window, typed from the table of their numbers.

One image (C, *S) at a time, in numpy and Python loops. `published` follows the numbers of the
authors' code; otherwise shuffling goes in sequence, every axis flips, and painting hides at
most a quarter, as in the papers.
"""

import numpy as np

PUBLISHED_WINDOWS = 10_000
MARGIN = 3


def flip(image, target, rng, published):
    """Up to three flips, each after the last with probability .4."""
    flips = 0
    while flips < 3 and rng.random() < 0.4:
        axis = rng.integers(0, image.ndim - 1)
        if not published:
            axis += 1
        image, target = np.flip(image, axis), np.flip(target, axis)
        flips += 1
    return image, target


def random_window(shape, low, high, margin, rng):
    """Slices of a box whose sides are uniform from low to high."""
    box = []
    for size, least, most in zip(shape, low, high, strict=True):
        side = rng.integers(least, most + 1)
        start = rng.integers(margin, size - margin - side + 1)
        box.append(slice(start, start + side))
    return tuple(box)


def local_shuffle(image, rng, published, windows=PUBLISHED_WINDOWS):
    """Permute the voxels of small windows, one window after the other."""
    shape = image.shape[1:]
    largest = [max(1, size // 10) for size in shape]
    result = image.copy()
    for _ in range(windows):
        box = (slice(None), *random_window(shape, [1] * len(shape), largest, 0, rng))
        window = (image if published else result)[box]
        flat = window.reshape(len(image), -1)
        result[box] = flat[:, rng.permutation(flat.shape[1])].reshape(window.shape)
    return result


def bezier(points, count):
    """A cubic curve through four points, count samples of x and of y."""
    t = np.linspace(0, 1, count)
    weights = np.stack([(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3])
    return points[:, 0] @ weights, points[:, 1] @ weights


def intensity_curve(points, falling, count=100_000):
    """Sample points of the map, x ascending."""
    x, y = bezier(points, count)
    x, y = np.sort(x), np.sort(y)
    return x, y[::-1] if falling else y


def nonlinear(image, rng):
    """Map the values through a random curve."""
    points = np.array([[0, 0], rng.random(2), rng.random(2), [1, 1]])
    x, y = intensity_curve(points, falling=rng.random() < 0.5)
    return np.interp(image, x, y).astype(image.dtype)


def inpaint(image, rng, published, windows=5, again=0.95):
    """Fill up to five windows with noise, each after the last with probability .95."""
    shape, result, hidden = image.shape[1:], image.copy(), 0.0
    low, high = [size // 6 for size in shape], [size // 3 for size in shape]
    for _ in range(windows):
        if rng.random() >= again:
            break
        box = random_window(shape, low, high, MARGIN, rng)
        share = np.prod([part.stop - part.start for part in box]) / np.prod(shape)
        if not published and hidden + share > 0.25:
            break
        hidden += share
        part = result[(slice(None), *box)]
        part[:] = rng.random(part.shape[1:])
    return result


def outpaint(image, rng, published, windows=5, again=0.95):
    """Noise everywhere but in a few windows."""
    shape = image.shape[1:]
    result = np.empty_like(image)
    result[:] = rng.random(shape)
    low = [size - 4 * size // 7 for size in shape]
    high = [size - 3 * size // 7 for size in shape]
    for number in range(windows):
        if number and rng.random() >= again:
            break
        if published:
            box = random_window(shape, low, high, MARGIN, rng)
        elif number == 0:  # three quarters of the volume in one window
            cuts = np.diff(np.sort(rng.random(len(shape) - 1)), prepend=0, append=1)
            sides = [int(np.ceil(size * 0.75**cut)) for size, cut in zip(shape, cuts, strict=True)]
            box = random_window(shape, sides, sides, 0, rng)
        else:
            box = random_window(shape, low, high, 0, rng)
        box = (slice(None), *box)
        result[box] = image[box]
    return result


def models_genesis(image, rng, published=True, windows=PUBLISHED_WINDOWS):
    """Distorted image and target."""
    image, target = flip(image, image, rng, published)
    if rng.random() < 0.5:
        image = local_shuffle(image, rng, published, windows)
    if rng.random() < 0.9:
        image = nonlinear(image, rng)
    if rng.random() < 0.9:
        image = (outpaint if rng.random() < 0.8 else inpaint)(image, rng, published)
    return image, target
