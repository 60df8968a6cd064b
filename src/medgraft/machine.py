"""What this machine offers: cores and memory."""

from __future__ import annotations

import os


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory_bytes() -> int:
    """Memory that can be taken without swapping; 4 GiB where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            sizes = {
                key: int(rest.split()[0]) for key, _, rest in (x.partition(":") for x in lines)
            }
        return sizes["MemAvailable"] * 1024
    except (OSError, KeyError):
        return 4 * 2**30
