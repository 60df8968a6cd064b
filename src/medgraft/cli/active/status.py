"""The command `medgraft active status`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro


@dataclass(frozen=True)
class Status:
    """Say where a campaign stands: progress, agreement of the readers, what the models reached.

    Example:
        medgraft active status campaign
    """

    campaign: Annotated[Path, tyro.conf.Positional]
    """Folder that `medgraft active start` wrote."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Print it."""
        from medgraft.active.campaign.status import status

        found = status(self.campaign)
        print(json.dumps(found, indent=2)) if self.json else _show(found)


def _show(found: dict[str, Any]) -> None:
    about, progress = found["campaign"], found["progress"]
    print(f"{about['name']}: {', '.join(about['classes'])}")
    counts = ("settled", "disputed", "unsure", "skipped", "open")
    told = ", ".join(f"{progress[key]} {key}" for key in counts if progress[key])
    print(f"{progress['images']} images queued{': ' + told if told else ''}")
    if progress["read"]:
        _show_readers(progress, found["seconds"])
    _show_agreement(found["agreement"], about["readers_per_image"])
    if found["curve"]:
        _show_curve(found["curve"])
    for one in found["stop"]:
        print(f"\n{one['rule']} would stop: {one['why']}")
    print(f"\n{found['next']}")


def _show_readers(progress: dict[str, Any], seconds: dict[str, float]) -> None:
    width = max(6, *map(len, progress["read"]))
    print(f"\n{'reader':<{width}}  read  skipped  may read  seconds each")
    for name, read in progress["read"].items():
        pace = f"{seconds[name]:.1f}" if name in seconds else "-"
        print(
            f"{name:<{width}}  {read:>4}  {progress['passed'][name]:>7}"
            f"  {progress['waiting'][name]:>8}  {pace:>12}"
        )


def _show_agreement(agreement: dict[str, Any], readers_per_image: int) -> None:
    if readers_per_image == 1 and not agreement["pairs"]:
        return
    print("\nagreement beyond chance (kappa)         value   95 % interval     images  agreed")
    for one in agreement["pairs"] + agreement["all"]:
        who = " and ".join(one["readers"]) if len(one["readers"]) == 2 else "all readers"
        about = f"{who}{', ' + one['label'] if one['label'] else ''}"
        if one["value"] is None:
            print(f"{about:<38}  {'-':>5}   {one['reason']}")
            continue
        ends = "" if one["low"] is None else f"{one['low']:.2f} to {one['high']:.2f}"
        print(
            f"{about:<38}  {one['value']:>5.2f}   {ends:<16}  {one['images']:>6}  {one['agreed']:>6}"
        )


def _show_curve(curve: list[dict[str, Any]]) -> None:
    print("\nround  labels  AUROC   95 % interval   images judged")
    for one in curve:
        entry = one["auroc"]
        if entry["value"] is None:
            print(f"{one['round']:>5}  {one['labels']:>6}      -   {entry['reason']}")
            continue
        ends = "" if entry["low"] is None else f"{entry['low']:.3f} to {entry['high']:.3f}"
        print(
            f"{one['round']:>5}  {one['labels']:>6}  {entry['value']:.3f}   {ends:<14}"
            f"  {one['images']:>13}"
        )
