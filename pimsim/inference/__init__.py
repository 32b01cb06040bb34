"""Numerical forward pass of a decoder: projections on crossbar arrays, attention in 8 bits, logits as the result."""

from pimsim.inference.forward_pass import Decoder
from pimsim.inference.kv_store import KeyValueCache
from pimsim.inference.projections import ArrayProjector, ExactProjector, Projector, Site

__all__ = ["ArrayProjector", "Decoder", "ExactProjector", "KeyValueCache", "Projector", "Site"]
