"""Forward pass through a part of the layers of a network, and an LM head that is read in parts.

The bits are those of `Decoder`, which computes the same operations in the same order on the same arrays.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pimsim.inference.forward_pass import Decoder
from pimsim.inference.functions import rotary_table
from pimsim.inference.quantisation import grid_bits, on_grid

Float = NDArray[np.float32]


class LayerDecoder(Decoder):
    """Decoder of a network that has only some of its layers, `layers` from `first_layer` on.

    BLAS must be limited to one thread by the caller, as `Decoder` does it: sums of floats depend on their order.
    """

    def first_stream(self, rows: Float) -> Float:
        """Return the residual stream before the first layer.

        Args:
            rows: Rows of the embedding table for tokens from position 0 on, [tokens, d_model] float32.

        Returns:
            [tokens, d_model] float32, a new array.
        """
        x = rows.copy()
        if self.network.positions is not None:
            first = self.network.details.position_offset
            x += self.network.positions[first : first + len(x)]
        return x

    def through(self, x: Float, sequence: int = 0) -> None:
        """Pass a residual stream through the layers, from position 0 on.

        Args:
            x: Residual stream before the layers, [tokens, d_model] float32, which becomes the one after them.
            sequence: Number of the sequence, which selects its read noise.
        """
        spec, details = self.network.spec, self.network.details
        table, cache = None, self.cache(sequence)
        if self.network.positions is None:
            elements = spec.d_head if spec.latent is None else spec.latent.d_rope
            table = rotary_table(0, len(x), elements, details.rotary_theta, details.rotary_scaling)
        cache.reserve(len(x))
        for number, layer in enumerate(self.network.layers, self.network.first_layer):
            x += self._attention(number, layer, x, table, cache)
            x += self._ffn(number, layer, x, cache)

    def normed(self, x: Float) -> Float:
        """Apply the norm before the LM head.

        Args:
            x: Residual stream after the last layer, [tokens, d_model] float32.

        Returns:
            [tokens, d_model] float32.
        """
        return self._norm(x, self.network.final_norm)


def head_logits(x: Float, head: Iterable[Float], vocab: int, largest: float) -> Float:
    """Multiply by an LM head that is read in parts; the sums are exact, so no bit depends on the parts.

    Args:
        x: Normed residual stream, [tokens, d_model] float32.
        head: Rows of the LM head in order, [rows, d_model] float32 each.
        vocab: Rows in all.
        largest: Largest magnitude in the whole LM head.

    Returns:
        Logits, [tokens, vocab] float32.

    Reference:
        docs/inference.md, eqs. (8) and (9).
    """
    bits = grid_bits(x.shape[1])
    rounded = on_grid(x, bits, by_row=True)
    out, first = np.empty((len(x), vocab), np.float32), 0
    for rows in head:
        out[:, first : first + len(rows)] = rounded @ on_grid(rows, bits, by_row=False, largest=largest).T
        first += len(rows)
    return out
