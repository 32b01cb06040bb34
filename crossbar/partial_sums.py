"""Width of partial sums: how many bits hold every sum of the products of a number of rows, exactly."""

from __future__ import annotations

from crossbar.params import EncodingParams


def partial_sum_bits(encoding: EncodingParams, activation_bits: int, rows: int) -> int:
    """Return the bits of the narrowest number that holds every partial sum of `rows` products.

    Activations are quantised symmetrically, as BitNet quantises by the largest magnitude, so that the smallest
    two's complement code, -2^(bits - 1), does not occur. The largest sum is S = rows x largest activation x largest
    weight. A sum that can be negative is stored in two's complement, with ceil(log2(S + 1)) + 1 bits; a sum of unsigned
    activations and weights of 0 and 1 needs no sign bit. For 8-bit activations and weights of -1, 0 and +1, a sum of
    2^n rows takes 8 + n bits: each level of an adder tree adds one bit.

    Args:
        encoding: Alphabet of the weights and number format of the activations.
        activation_bits: Bits of one activation, a sign bit included.
        rows: Number of products that are added.

    Returns:
        Number of bits, at least 1.

    Reference:
        docs/network.md, eq. (4); Ma et al., arXiv:2402.17764 (symmetric quantisation of activations).
    """
    signed_activations = encoding.activations == "twos_complement"
    largest = rows * encoding.largest_weight * ((1 << activation_bits - signed_activations) - 1)
    signed = signed_activations or encoding.weights != "unit"
    return max(1, largest.bit_length() + signed)
