"""Film-like phantoms: synthetic images with patients, views, markers and lesions.

For tests, demonstrations and checks of leakage. Never clinical data.
"""

from medgraft.phantoms.archive import is_archive, write_archive
from medgraft.phantoms.films import Film, draw
from medgraft.phantoms.rendering import render

__all__ = ["Film", "draw", "is_archive", "render", "write_archive"]
