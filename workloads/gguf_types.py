"""Number formats of the tensors in GGUF files: elements and bytes of their blocks.

The numbers of the types are those of ggml; 36 is I2_S of Microsoft's BitNet, which ggml itself does not have.

Reference:
    `ggml_type` in ggml.h of llama.cpp and `GGML_QUANT_SIZES` of its Python library `gguf`, with which the tests compare
    this table. I2_S: `quantize_i2_s` in src/ggml-bitnet-mad.cpp of microsoft/BitNet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class BlockType:
    """A number format.

    Attributes:
        name: Its name in ggml.
        elements: Elements of a block. A row of a tensor consists of whole blocks.
        size: Bytes of a block.
        extra: Bytes that a whole tensor has beside its blocks.
    """

    name: str
    elements: int
    size: int
    extra: int = 0


I2_S = "I2_S"

TYPES: Mapping[int, BlockType] = MappingProxyType(
    {
        0: BlockType("F32", 1, 4),
        1: BlockType("F16", 1, 2),
        2: BlockType("Q4_0", 32, 18),
        3: BlockType("Q4_1", 32, 20),
        6: BlockType("Q5_0", 32, 22),
        7: BlockType("Q5_1", 32, 24),
        8: BlockType("Q8_0", 32, 34),
        9: BlockType("Q8_1", 32, 40),
        10: BlockType("Q2_K", 256, 84),
        11: BlockType("Q3_K", 256, 110),
        12: BlockType("Q4_K", 256, 144),
        13: BlockType("Q5_K", 256, 176),
        14: BlockType("Q6_K", 256, 210),
        15: BlockType("Q8_K", 256, 292),
        16: BlockType("IQ2_XXS", 256, 66),
        17: BlockType("IQ2_XS", 256, 74),
        18: BlockType("IQ3_XXS", 256, 98),
        19: BlockType("IQ1_S", 256, 50),
        20: BlockType("IQ4_NL", 32, 18),
        21: BlockType("IQ3_S", 256, 110),
        22: BlockType("IQ2_S", 256, 82),
        23: BlockType("IQ4_XS", 256, 136),
        24: BlockType("I8", 1, 1),
        25: BlockType("I16", 1, 2),
        26: BlockType("I32", 1, 4),
        27: BlockType("I64", 1, 8),
        28: BlockType("F64", 1, 8),
        29: BlockType("IQ1_M", 256, 56),
        30: BlockType("BF16", 1, 2),
        34: BlockType("TQ1_0", 256, 54),
        35: BlockType("TQ2_0", 256, 66),
        36: BlockType(I2_S, 4, 1, extra=32),
        39: BlockType("MXFP4", 32, 17),
        40: BlockType("NVFP4", 64, 36),
        41: BlockType("Q1_0", 128, 18),
    }
)
"""Formats by number. The types 4, 5, 31 to 33, 37 and 38 were removed from ggml."""

UNQUANTISED = ("F32", "F16", "BF16", "F64")
TERNARY = ("TQ1_0", "TQ2_0", I2_S)
"""Formats of -1, 0 and 1 times a scale."""

GROUPED: Mapping[str, int] = MappingProxyType({"Q4_0": 5, "Q4_1": 5, "Q8_0": 8})
"""Formats of integers with a scale for each group of 32 inputs, and the bits that their codes need, a sign included.

The codes of Q4_0 and Q4_1 are -8 to 7. Symmetric weights of 4 bits are -7 to 7, so these codes need 5.
"""

GROUP = 32
"""Inputs of a group."""

OF_THE_LIBRARY = (
    *("Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL"),
    *("IQ3_S", "IQ2_S", "IQ4_XS", "IQ1_M", "MXFP4", "NVFP4", "Q1_0"),
)
"""Formats that are only read as floats, by the library `gguf`, as far as the installed version has them."""

AS_FLOATS = (*UNQUANTISED, *TERNARY, *GROUPED, *OF_THE_LIBRARY)
"""Formats that can be read as floats."""
