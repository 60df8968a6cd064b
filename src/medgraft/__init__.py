"""medgraft: an archive of medical images with few labels, turned into a model to defend."""

__version__ = "0.1.0"
