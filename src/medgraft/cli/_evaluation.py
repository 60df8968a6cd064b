"""An evaluation as lines of text, for the commands that make one."""

from __future__ import annotations

from typing import Any


def show(found: dict[str, Any]) -> None:
    """Print what `evaluation.json` holds."""
    patients = f" of {found['n_patients']} patients" if found["n_patients"] else ""
    print(
        f"{found['n_images']} images{patients}; 95 % intervals from {found['replicates']}"
        f" replicates by {found['unit']}, seed {found['seed']}"
    )
    if found["kind"] == "segmentation":
        _show_masks(found)
        return
    print(f"\n{_about(found)}\n")
    print(f"{'metric':<18} {'value':>7}   95 % interval")
    for name, entry in found["metrics"].items():
        print(f"{name:<18} {_line(entry)}")
    if found["positive"] is None:
        print(f"\n{'auroc of':<18} {'value':>7}   95 % interval")
        for name, entries in found["classes"].items():
            print(f"{name[:18]:<18} {_line(entries['auroc'])}")
    left = {name: counts for name, counts in found["left_out"].items() if any(counts.values())}
    for name, counts in left.items():
        print(f"\nleft out of {name}: {counts['uncertain']} uncertain, {counts['blank']} blank")
    if found["unit"] == "image":
        print(
            "\nPatients are not known: if some have several images, these intervals are too narrow."
        )
    for note in found["notes"]:
        print(f"\n{note}")


def _show_masks(found: dict[str, Any]) -> None:
    unit = found["distance_unit"]
    print(f"\nmeans over {len(found['names'])} classes; lengths in {unit}\n")
    print(f"{'measure':<20} {'value':>7}   95 % interval")
    for name, entry in found["metrics"].items():
        print(f"{name:<20} {_line(entry)}")
    if len(found["names"]) > 1:
        print(f"\n{'dice of':<20} {'value':>7}   95 % interval")
        for name, entries in found["classes"].items():
            print(f"{name[:20]:<20} {_line(entries['dice'])}")
    for note in found["notes"]:
        print(f"\n{note}")


def _about(found: dict[str, Any]) -> str:
    where = f", chosen on {found['threshold_split']}" if found["threshold_split"] else ""
    at = found["threshold"]
    if isinstance(at, dict):
        return f"means over {len(at)} labels; thresholds by {found['threshold_rule']}{where}"
    if at is None:
        return f"means over {len(found['names'])} classes, decided by the highest probability"
    return f"{found['positive']}, called at {at:.4g} or above ({found['threshold_rule']}{where})"


def _line(entry: dict[str, Any]) -> str:
    if entry["value"] is None:
        return f"{'-':>7}   {entry['reason']}"
    text = f"{entry['value']:>7.3f}"
    if entry["low"] is not None:
        text += f"   {entry['low']:.3f} to {entry['high']:.3f}"
    if "undefined_replicates" in entry:
        text += f"   ({entry['undefined_replicates']} replicates undefined)"
    return text + (f"   {entry['reason']}" if "reason" in entry else "")
