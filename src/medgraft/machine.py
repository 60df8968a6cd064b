"""What this machine offers: cores and memory."""

from __future__ import annotations

import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


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


def keep_freed_memory() -> None:
    """Let malloc keep what is freed instead of handing it back to the system each time.

    Arrays of images come and go by the thousand; taking each of them afresh costs a page fault
    per 4 KiB, which was a third of the time of preparing films of 224 x 224 (measured). Only
    glibc knows these settings; elsewhere nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_MMAP_THRESHOLD, 32 * 2**20)  # the most that glibc takes
    mallopt(M_TRIM_THRESHOLD, 256 * 2**20)
