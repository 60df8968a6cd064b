"""Networks as named stages: create, freeze, truncate, load weights."""

from __future__ import annotations

from medgraft.nets.create import Created, create, outline
from medgraft.nets.network import Backbone, Network

__all__ = ["Backbone", "Created", "Network", "create", "outline"]
