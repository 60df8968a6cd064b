"""Run folders as `medgraft train` writes them, with results that are computed, not invented."""

import io
import json

import numpy as np
import polars as pl
import yaml
from PIL import Image

from medgraft.evaluate import choose_thresholds, evaluate

FINDINGS = [
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia",
    "Pneumothorax", "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening",
    "Hernia",
]  # fmt: skip
TISSUES = ["adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle", "stroma"]


def make_run(
    folder,
    *,
    names=("NORMAL", "PNEUMONIA"),
    kind="exclusive",
    patients=560,
    images=1161,
    patients_known=True,
    seed=0,
    skill=3.0,
    layout="csv",
    epochs=8,
    rejects=3,
    pictures=10,
    empty_class=None,
    replicates=200,
):
    """Write a whole run folder and return its path."""
    rng = np.random.default_rng(seed)
    names = list(names)
    folder.mkdir(parents=True)
    frame = predictions(rng, names, kind, patients, images, skill, empty_class)
    frame.write_parquet(folder / "predictions.parquet")
    found = judged(frame, names, kind, patients_known=patients_known, replicates=replicates)
    write(folder / "evaluation.json", found)
    write(folder / "run.json", record(frame, names, seed, layout, rejects, patients_known))
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE, sort_keys=False))
    history(rng, epochs).write_csv(folder / "history.csv")
    rejected(rejects).write_csv(folder / "rejects.csv")
    examples(folder / "examples", rng, frame, names, kind, pictures)
    return folder


def predictions(rng, names, kind, patients, images, skill, empty_class):
    """Rows of a validation and a test part; images of one patient resemble each other."""
    rows = 2 * images
    patient = np.sort(rng.integers(0, 2 * patients, rows))
    patient[: 2 * patients] = np.sort(patient)[: 2 * patients]
    mood = rng.normal(0, 0.7, 2 * patients)[patient][:, None]
    if kind == "exclusive":
        weight = np.linspace(1, 2.5, len(names))
        is_of = rng.choice(len(names), rows, p=weight / weight.sum())
        truth = np.eye(len(names))[is_of]
        logits = skill * truth + rng.normal(0, 1.0, truth.shape) + 0.4 * mood
        probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    else:
        prevalence = np.linspace(0.02, 0.3, len(names))
        truth = (rng.random((rows, len(names))) < prevalence).astype(float)
        truth[rng.random(truth.shape) < 0.02] = -1
        truth[rng.random(truth.shape) < 0.03] = np.nan
        if empty_class is not None:
            column = truth[:, names.index(empty_class)]
            column[column == 1] = 0
        reach = skill * np.linspace(0.35, 1, len(names))
        logits = reach * (truth == 1) - 2 + rng.normal(0, 1, truth.shape) + 0.4 * mood
        probability = 1 / (1 + np.exp(-logits))
    columns = {
        "image_id": [rng.bytes(32).hex() for _ in range(rows)],
        "path": [f"films/ann/P{p:04d}-{i}.png" for i, p in enumerate(patient)],
        "patient_id": [f"P{p:04d}" for p in patient],
        "split": ["val" if p < patients else "test" for p in patient],
    }
    for k, name in enumerate(names):
        columns[f"y_{name}"] = pl.Series(truth[:, k], nan_to_null=True).cast(pl.Int8)
        columns[f"p_{name}"] = probability[:, k]
    return pl.DataFrame(columns)


def judged(frame, names, kind, *, patients_known=True, replicates=200):
    """What evaluation.json holds, from `medgraft.evaluate` itself."""
    val, test = (frame.filter(pl.col("split") == part) for part in ("val", "test"))
    asked = {"names": names, "kind": kind}
    thresholds, notes = choose_thresholds(*arrays(val, names), **asked)
    return evaluate(
        *arrays(test, names),
        **asked,
        patients=test["patient_id"].to_list() if patients_known else None,
        thresholds=thresholds or None,
        threshold_rule="youden" if thresholds else None,
        threshold_split="val" if thresholds else None,
        split="test",
        replicates=replicates,
        notes=notes,
    )


def arrays(frame, names):
    truth = frame.select(pl.col(f"y_{name}").cast(pl.Float64) for name in names).to_numpy()
    return truth, frame.select(f"p_{name}" for name in names).to_numpy()


RECIPE = {
    "index": "/home/ann/archive/kermany.parquet",
    "backbone": "resnet18",
    "weights": None,
    "size": 64,
    "epochs": 8,
    "batch": 64,
    "seed": 0,
    "prepare": ["grey", "square", "resize:side=64"],
    "augment": ["flip:p=0.5", "rotate:degrees=10", "zoom:high=1.1"],
    "optimiser": {"kind": "adamw", "rate": 0.003, "decay": 0.01},
    "schedule": {"kind": "one_cycle", "div": 25, "rise": 0.3},
}


def record(frame, names, seed, layout, rejects, patients_known):
    parts = {"train": 4177, "val": None, "test": None}
    splits = {}
    for part in parts:
        rows = frame.filter(pl.col("split") == ("test" if part == "test" else "val"))
        times = 7 if part == "train" else 1
        splits[part] = {
            "images": rows.height * times,
            "patients": rows["patient_id"].n_unique() * times if patients_known else None,
            "classes": {n: int((rows[f"y_{n}"] == 1).sum()) * times for n in names},
        }
    return {
        "medgraft": "0.1.0",
        "command": [
            "medgraft", "train", "/home/ann/archive/kermany.parquet", "--backbone", "resnet18",
            "--weights", "none", "--size", "64", "--epochs", "8", "--seed", "0", "--out", "runs/kermany",
        ],
        "started": "2026-03-01T14:02:33+00:00",
        "finished": "2026-03-01T14:06:12+00:00",
        "status": "finished",
        "seed": seed,
        "hardware": {
            "processor": "AMD EPYC 9V74", "cores": 2, "threads": 2, "memory_gib": 15.6, "accelerator": None,
        },
        "versions": {"python": "3.12.3", "torch": "2.14.0", "timm": "1.0.20", "numpy": "2.3.1"},
        "seconds": {"index": 0.4, "prepare": 11.2, "train": 184.31, "predict": 6.2, "evaluate": 1.7},
        "inputs": {"index": "ab" * 32, "weights": None},
        "data": {
            "images": sum(part["images"] for part in splits.values()),
            "patients": sum(p["patients"] for p in splits.values()) if patients_known else None,
            "patients_known": patients_known,
            "layout": layout,
            "synthetic": layout == "phantoms",
            "rejected": rejects,
            "splits": splits,
        },
        "compute": {"precision": "float32", "memory_format": "channels_last", "why": "measured by doctor"},
        "network": {
            "backbone": "resnet18", "strategy": "full", "weights": None, "parameters": 11171266,
            "trainable": 11171266,
        },
        "best": {"epoch": 6, "metric": "auroc_val", "value": 0.9912},
        "test_read": "2026-03-01T14:05:58+00:00",
        "resumed": 0,
        "notes": [],
    }  # fmt: skip


def history(rng, epochs):
    e = np.arange(1, epochs + 1)
    fall = 0.65 * np.exp(-e / 3)
    return pl.DataFrame(
        {
            "step": e * 66,
            "epoch": e,
            "loss": fall + 0.03 + rng.normal(0, 0.005, epochs),
            "loss_val": fall + 0.08 + 0.012 * e + rng.normal(0, 0.01, epochs),
            "auroc_val": 0.992 - 0.2 * np.exp(-e / 1.5),
            "rate": 3e-3 * np.sin(np.pi * e / (epochs + 1)),
            "images_per_second": rng.normal(190, 4, epochs),
            "seconds": e * 23.0,
        }
    )


def rejected(count):
    kinds = [
        ("JPEG data is truncated", "Copy the file again from its source."),
        ("side of 1 pixel is smaller than 2", "Leave it out, or give a larger crop."),
    ]
    return pl.DataFrame(
        {
            "path": [f"/home/ann/archive/films/{i}.jpeg" for i in range(count)],
            "reason": [kinds[i % 3 % 2][0] for i in range(count)],
            "remedy": [kinds[i % 3 % 2][1] for i in range(count)],
        },
        schema=dict.fromkeys(("path", "reason", "remedy"), pl.String),
    )


def examples(folder, rng, frame, names, kind, count):
    """Film-like pictures with what the network made of them."""
    folder.mkdir()
    test = frame.filter(pl.col("split") == "test")
    items = []
    wrong = 0
    for row in test.iter_rows(named=True):
        p = np.array([row[f"p_{n}"] for n in names])
        y = np.array([row[f"y_{n}"] or 0 for n in names])
        if kind == "exclusive":
            actual, predicted = names[int(y.argmax())], names[int(p.argmax())]
        else:
            actual = [n for n, value in zip(names, y, strict=True) if value == 1]
            predicted = [n for n, value in zip(names, p, strict=True) if value >= 0.5]
        correct = actual == predicted
        if (len(items) - wrong if correct else wrong) >= count // 2:
            continue
        wrong += not correct
        name = f"{len(items):02d}.png"
        (folder / name).write_bytes(film(rng))
        items.append(
            {key: row[key] for key in ("image_id", "path", "patient_id", "split")}
            | {"file": name, "actual": actual, "predicted": predicted}
            | {"probability": float(p.max()), "correct": correct}
        )
    write(folder / "examples.json", items)


def film(rng, side=96):
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    lungs = sum(np.exp(-(((x - s) / 0.28) ** 2 + (y / 0.6) ** 2) * 2) for s in (-0.42, 0.42))
    spot = np.exp(-(((x - rng.uniform(-0.6, 0.6)) / 0.15) ** 2 + ((y - 0.2) / 0.15) ** 2))
    grey = 0.75 - 0.55 * lungs + 0.35 * spot + rng.normal(0, 0.02, x.shape)
    buffer = io.BytesIO()
    Image.fromarray((255 * grey.clip(0, 1)).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write(path, data):
    path.write_text(json.dumps(data, indent=2, allow_nan=False))
