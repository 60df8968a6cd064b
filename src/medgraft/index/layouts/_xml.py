"""XML files that describe images; one that defines entities is refused."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat  # which loads nothing from elsewhere

MOST_BYTES = 2**24  # an annotation is some kilobytes long


def read_xml(file: Path) -> Element:
    """The root element of an XML file.

    Entities can grow without bound or name other files, and no annotation needs any.

    Raises:
        ValueError: If it is no XML, is longer than 16 MiB, or defines an entity; in a clause that
            says why, for the reject of what it describes.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = _refuse
    try:
        if (size := file.stat().st_size) > MOST_BYTES:
            raise ValueError(f"it is {size} bytes long, and at most {MOST_BYTES} are read")
        parser.Parse(file.read_bytes(), True)  # noqa: FBT003 (the library's own)
        root: Element = builder.close()
    except (OSError, ValueError, AssertionError, expat.ExpatError) as error:
        reason = str(error).partition("\n")[0] or "it is empty"
        raise ValueError(f"'{file.name}' must be XML: {reason}") from error
    return root


def _refuse(name: str, *_: object) -> None:
    raise ValueError(f"it defines the entity {name[:40]!r}, which no annotation needs")
