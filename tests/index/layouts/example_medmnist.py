"""A PneumoniaMNIST of four pictures."""

import numpy as np


def make(root, picture):
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)
    labels = np.array([[1], [0], [1], [0]], dtype=np.uint8)
    np.savez_compressed(
        root / "pneumoniamnist_64.npz",
        train_images=images[:2],
        train_labels=labels[:2],
        val_images=images[2:3],
        val_labels=labels[2:3],
        test_images=images[3:],
        test_labels=labels[3:],
    )
    rows = [
        ("train", 0, "pneumonia"),
        ("train", 1, "normal"),
        ("val", 0, "pneumonia"),
        ("test", 0, "normal"),
    ]
    return {}, [
        {"path": f"pneumoniamnist_64.npz#{p}_images/{n}", "orig_split": p, "label": label}
        for p, n, label in rows
    ]
