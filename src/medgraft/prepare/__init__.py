"""From a scan to an array of known size and range, decoded once and kept.

`pipeline` and `prepare` serve one image; `medgraft.prepare.store.Store` serves an archive.
"""

from medgraft.prepare.pipeline import canonical, default_steps, load, pipeline, prepare

__all__ = ["canonical", "default_steps", "load", "pipeline", "prepare"]
