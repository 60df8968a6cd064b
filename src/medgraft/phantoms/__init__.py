"""Phantoms: synthetic films and volumes with patients, views, markers and lesions.

For tests, demonstrations and checks of leakage. Never clinical data.
"""

from medgraft.phantoms.archive import is_archive, write_archive
from medgraft.phantoms.films import Film, draw
from medgraft.phantoms.rendering import render
from medgraft.phantoms.reported import Picture, phantom_pictures, write_reported
from medgraft.phantoms.volumes import Volume, draw_volumes, render_volume

__all__ = [
    "Film",
    "Picture",
    "Volume",
    "draw",
    "draw_volumes",
    "is_archive",
    "phantom_pictures",
    "render",
    "render_volume",
    "write_archive",
    "write_reported",
]
