"""Read every file that is named on standard input, in a process with little memory.

Prints one JSON line per file: path, what came of it, seconds; and last the most memory taken.
"""

import json
import resource
import sys
import time
import traceback
from pathlib import Path

from medgraft.errors import ReadError
from medgraft.read import read

LIMIT_BYTES = 2 * 2**30


def outcome(path):
    try:
        scan = read(path)
    except ReadError as error:
        return {"reason": error.reason, "remedy": error.remedy}
    except BaseException:  # noqa: BLE001 (the test wants to see it)
        return {"crash": traceback.format_exc()}
    return {"shape": scan.array.shape, "kind": str(scan.array.dtype)}


def sweep(lines):
    for line in lines:
        path = line.rstrip("\n")
        start = time.perf_counter()
        result = outcome(path)
        print(json.dumps({"path": path, **result, "seconds": time.perf_counter() - start}))
    print(json.dumps({"most_bytes": most_bytes()}))


def most_bytes():
    """Peak of this program; getrusage would count the parent's, from before exec, as ours."""
    status = Path("/proc/self/status").read_text()
    return next(int(s.split()[1]) for s in status.splitlines() if s.startswith("VmHWM")) * 1024


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    sweep(sys.stdin)
