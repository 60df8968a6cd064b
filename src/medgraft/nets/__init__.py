"""Networks as named stages: create, freeze, truncate, load weights."""

from __future__ import annotations

from medgraft.nets.create import Created, create, create_dense, create_with, create_y, outline
from medgraft.nets.encoder_decoder import EncoderDecoder, YNetwork
from medgraft.nets.network import Backbone, Network

__all__ = [
    "Backbone",
    "Created",
    "EncoderDecoder",
    "Network",
    "YNetwork",
    "create",
    "create_dense",
    "create_with",
    "create_y",
    "outline",
]
