"""Files on disk become scans; the formats are a family in `medgraft.read.formats`."""

from __future__ import annotations

from medgraft.read.opening import identity, personal, read
from medgraft.read.scan import Scan
from medgraft.read.tags import Identity, Personal

__all__ = ["Identity", "Personal", "Scan", "identity", "personal", "read"]
