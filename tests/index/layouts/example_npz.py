"""Arrays as MedMNIST keeps them."""

import numpy as np


def make(root, picture):
    rng = np.random.default_rng(0)
    arrays = {
        "train_images": rng.integers(0, 256, (3, 12, 12), dtype=np.uint8),
        "train_labels": np.array([[0], [1], [0]], dtype=np.uint8),
        "test_images": rng.integers(0, 256, (1, 12, 12), dtype=np.uint8),
        "test_labels": np.array([[1]], dtype=np.uint8),
    }
    np.savez(root / "small.npz", **arrays)
    rows = [
        {"path": f"small.npz#train_images/{k}", "label": k % 2, "orig_split": "train"}
        for k in range(3)
    ]
    return {}, [*rows, {"path": "small.npz#test_images/0", "label": 1, "orig_split": "test"}]
