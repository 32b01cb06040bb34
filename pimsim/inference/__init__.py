"""A decoder's forward pass in numbers: projections through arrays, attention in 8 bits, logits at the end."""

from pimsim.inference.attention import KeyValueCache
from pimsim.inference.forward_pass import Decoder
from pimsim.inference.projections import ArrayProjector, ExactProjector, Projector, Site

__all__ = ["ArrayProjector", "Decoder", "ExactProjector", "KeyValueCache", "Projector", "Site"]
