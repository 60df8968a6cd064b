"""Use the window that the file itself asks for."""

from __future__ import annotations

from medgraft.prepare.steps import Step, step
from medgraft.read.scan import Scan


@step("file_window")
class FileWindow(Step):
    """Read the file with its own VOI LUT or window (DICOM); other files are not changed.

    The window belongs to the file's tags, so the reader applies it: `pipeline.load` sees this
    step and asks for it. It must be the first step, and does nothing by itself.
    """

    def __call__(self, scan: Scan) -> Scan:
        """The same scan: the reader has done the work."""
        return scan
