"""Files on disk become scans; the formats are a family in `medgraft.read.formats`."""

from __future__ import annotations

from medgraft.read.opening import identity, read
from medgraft.read.scan import Scan
from medgraft.read.tags import Identity

__all__ = ["Identity", "Scan", "identity", "read"]
