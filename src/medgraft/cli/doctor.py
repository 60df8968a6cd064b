"""The command `medgraft doctor`."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Doctor:
    """Say what this machine can do, and measure bfloat16 and channels-last on it.

    The measurement is kept and decides what `medgraft train --precision auto` uses.

    Example:
        medgraft doctor --json
    """

    json: bool = False
    """Print JSON."""
    device: str = "auto"
    """Which device to measure."""

    def run(self) -> None:
        """Measure and print."""
        import shutil

        from medgraft.prepare.store import default_cache
        from medgraft.train.hardware import choose, describe, find_device, measured, versions

        device, cache = find_device(self.device), default_cache()
        speeds = measured(device, cache, afresh=True)
        chosen = choose(device, "auto", "auto", cache)
        found = {
            "hardware": describe(),
            "versions": versions(),
            "device": str(device),
            "images_per_second": speeds,
            "chosen": {"precision": chosen.precision, "memory_format": chosen.memory_format},
            "cache": {
                "folder": str(cache),
                "free_gib": round(shutil.disk_usage(cache).free / 2**30, 1),
            },
        }
        if self.json:
            print(json.dumps(found, indent=2))
            return
        for part in ("hardware", "versions", "cache"):
            print(part)
            for key, value in found[part].items():  # type: ignore[attr-defined]
                print(f"  {key:<14} {value}")
        print(f"training ResNet-18 at 64 pixels on {device}, images per second")
        for way, speed in speeds.items():
            mark = "  <- used" if way == f"{chosen.precision}/{chosen.memory_format}" else ""
            print(f"  {way:<24} {speed:>8,.0f}{mark}")
