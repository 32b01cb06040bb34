"""Division of an op over the banks of a memory that compute: what each bank computes, and what must reach it.

An *item* occupies one column of a bank: a product of a matmul, or an element of another op. `tokens` keeps a token in
its bank, as the dataflow of TransPIM; `layers` spreads the items of each op evenly over all banks.

Reference:
    docs/baselines.md, eq. (4) to (8). Zhou et al., "TransPIM: A Memory-based Acceleration via Software-Hardware
    Co-Design for Transformer", HPCA 2022.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from pimsim.config.schema import TransPimConfig
from pimsim.hardware.component import ceil_div
from pimsim.hardware.op_share import OpShare

SUM_BITS = 32
"""Bits of a partial sum that leaves its bank."""


class Part(NamedTuple):
    """Banks with equal work: items of each, and number of such banks."""

    items: int
    banks: int


_NONE = Part(0, 0)


class Passing(NamedTuple):
    """Data that pass from bank to bank.

    Attributes:
        size_bytes: Bytes of one ring.
        banks: Banks of one ring.
        rings: Number of rings, which work at the same time.
        to_all: Whether each bank receives all bytes; else each byte goes from one bank to one other.
    """

    size_bytes: int
    banks: int
    rings: int = 1
    to_all: bool = True


class Function(NamedTuple):
    """Work per element of an op that is not a matmul: products, sums of two, and sums over a whole vector."""

    products: int
    additions: int
    sums: int


_EXPONENTIAL = Function(5, 5, 0)
"""Taylor series of degree 5 by Horner's rule, as TransPIM computes exponentials."""

FUNCTIONS = {
    # Exponentials, their sum, and a product with the reciprocal; the division itself is one per row, in the ACU.
    "softmax": Function(_EXPONENTIAL.products + 1, _EXPONENTIAL.additions, 1),
    "layernorm": Function(3, 3, 2),  # mean, difference, square, variance, two scales and a bias
    "rmsnorm": Function(3, 0, 1),
    "relu": Function(0, 1, 0),
    "relu2": Function(1, 1, 0),
    "rotary": Function(2, 1, 0),
    "residual": Function(0, 1, 0),
    "multiply": Function(1, 0, 0),
    "quantise": Function(1, 0, 1),  # the largest magnitude, searched by the trees like a sum
    "dequantise": Function(1, 0, 0),
}
"""Work of ops by their names; others are an exponential and a product (gelu, silu, tanh)."""


@dataclass(frozen=True, slots=True)
class BankWork:
    """What the banks do for an op.

    Attributes:
        parts: Items of the banks, the busiest first; empty if nothing is computed.
        passing: What passes from bank to bank before.
        layout_vectors: Operand vectors that each bank lays out along its columns.
        moved_bits: Bits per item that are brought over the data bus to the bank of the item.
        stored_bytes: Bytes that the busiest bank writes or reads without computing, and number of such banks.
        bits: Bits of the two factors of a product; of a function twice those of an element.
        function: Work per element; None for a matmul, whose items are products.
        length: Items of a sum.
    """

    parts: tuple[Part, ...] = ()
    passing: tuple[Passing, ...] = ()
    layout_vectors: int = 0
    moved_bits: int = 0
    stored_bytes: Part = _NONE
    bits: tuple[int, int] = (8, 8)
    function: Function | None = None
    length: int = 1

    @property
    def additions_of_bits(self) -> int:
        """Additions of one bit in every column for the items of a round."""
        first, second = self.bits
        if self.function is None:
            return first * second
        return self.function.products * first * second + self.function.additions * first

    @property
    def operations(self) -> int:
        """Operations per item of a unit that computes a product or a sum in one."""
        return 1 if self.function is None else sum(self.function)

    @property
    def sums(self) -> int:
        """Number of times that the items are summed."""
        return 1 if self.function is None else self.function.sums

    @property
    def sum_bits(self) -> int:
        """Bits of an item that is summed: of a product both factors together."""
        return sum(self.bits) if self.function is None else self.bits[0]


def divide(total: int, banks: int, items: int = 1) -> tuple[Part, ...]:
    """Divide units of work over banks as evenly as whole units allow.

    Args:
        total: Number of units.
        banks: Number of banks, at least 1.
        items: Items per unit.

    Returns:
        One or two parts, the larger units first, without banks that have none.
    """
    least, more = divmod(total, banks)
    parts = (Part((least + 1) * items, more), Part(least * items, banks - more))
    return tuple(part for part in parts if part.items and part.banks)


def bank_work(config: TransPimConfig, banks: int, share: OpShare) -> BankWork:
    """Divide an op over the banks.

    Args:
        config: Section `machine.transpim`.
        banks: Number of banks of the memory.
        share: The op.

    Returns:
        What the banks do.
    """
    if share.kind in ("projection", "scores", "values"):
        if config.mapping == "layers":
            return _spread(config, banks, share)
        return _projection(config, banks, share) if share.kind == "projection" else _attention(config, banks, share)
    if share.kind in ("append", "embedding", "read", "write"):
        used = min(banks, max(1, share.vectors))
        moved = ceil_div(share.read_bytes + share.cache_write_bytes, used)
        passing = (Passing(moved, 1, used),) if share.kind == "embedding" else ()
        return BankWork(passing=passing, stored_bytes=Part(moved, used))
    return _function(config, banks, share)


def _vectors(share: OpShare) -> int:
    return sum(each * count for each, count in share.loads)


def _used_once(share: OpShare) -> bool:
    """Return whether each matrix, such as that of an expert, has one vector."""
    return share.loads[0][0] == 1


def _weight_bits(share: OpShare) -> int:
    """Return the bits of a weight in the cells: those in which the memory stores it."""
    if share.kind != "projection":
        return share.cache_bits
    return max(1, ceil_div(8 * share.weight_bytes, share.inputs * share.outputs * share.matmuls))


def _product_work(share: OpShare, parts: tuple[Part, ...]) -> BankWork:
    return BankWork(parts, bits=(share.input_bits, _weight_bits(share)), length=share.inputs)


def _spread(config: TransPimConfig, banks: int, share: OpShare) -> BankWork:
    """Return the sums of a matmul spread over all banks, to which both factors of their products are moved.

    Weights stay in place if each is used once, or if every bank has all of them.
    """
    sums = max(1, share.macs // share.inputs)
    work = _product_work(share, divide(sums, banks, share.inputs))
    in_place = share.kind == "projection" and (_used_once(share) or config.weights == "resident")
    return replace(work, moved_bits=share.input_bits + (0 if in_place else work.bits[1]))


def _projection(config: TransPimConfig, banks: int, share: OpShare) -> BankWork:
    """Return each token in its bank, or in a group of banks that share its outputs; weights pass all of them."""
    tokens, outputs, inputs = _vectors(share), share.outputs, share.inputs
    group = banks // tokens if config.idle_banks == "split" else 1
    if group <= 1:
        used = min(tokens, banks)
        parts = divide(tokens, used, inputs * outputs)
        passing = []
    else:
        parts = tuple(Part(items, tokens * number) for items, number in divide(outputs, group, inputs))
        used = sum(part.banks for part in parts)
        passing = [Passing(ceil_div(share.input_bytes, tokens) * min(tokens, used), used)]
    in_place = group > 1 and _used_once(share)  # each bank computes with the weights that it stores
    if config.weights == "streamed" and not in_place:
        passing.append(Passing(share.weight_bytes, used))
    return replace(_product_work(share, parts), passing=tuple(passing), layout_vectors=ceil_div(tokens, used))


def _attention(config: TransPimConfig, banks: int, share: OpShare) -> BankWork:
    """Return queries in their banks, by which keys or values pass; a single query goes to the banks of its cache."""
    if share.queries == 1:
        return _decode_attention(banks, share)
    tokens, sequences = share.queries * share.sequences, share.sequences
    per_token = ceil_div(share.macs, tokens)
    if config.idle_banks == "split" and banks >= 2 * tokens:
        used = min(banks - banks % tokens, share.macs)
        parts = divide(share.macs, used)
    else:
        used = min(tokens, banks)
        parts = divide(tokens, used, per_token)
    ring = max(1, used // sequences)
    passed = ceil_div(share.cache_read_bytes, sequences)
    passing = (Passing(passed, ring, min(sequences, used)),) if ring > 1 else ()
    return replace(_product_work(share, parts), passing=passing, layout_vectors=ceil_div(tokens, used))


def _decode_attention(banks: int, share: OpShare) -> BankWork:
    """Return one query per sequence where the cached entries lie; scores or sums are gathered."""
    sequences = share.sequences
    scores = share.kind == "scores"
    entries, per_head = (share.outputs, share.inputs) if scores else (share.inputs, share.outputs)
    per_entry = share.matmuls // sequences * share.heads * per_head
    ring = min(max(1, banks // sequences), entries)
    if ring > 1:
        parts = tuple(Part(items, number * sequences) for items, number in divide(entries, ring, per_entry))
    else:
        parts = divide(sequences, min(banks, sequences), entries * per_entry)
    to_banks = ceil_div(share.input_bytes, sequences)
    heads = per_entry // per_head
    sums_bytes = ceil_div((per_entry + heads) * SUM_BITS, 8)  # of values and of the exponentials
    back = ceil_div(share.output_bytes, sequences) if scores else sums_bytes
    # The query goes to all banks, and all of them add to the sums; scores go to the banks of their rows, and back.
    both = (Passing(to_banks, ring, sequences, scores), Passing(back, ring, sequences, not scores))
    passing = both if ring > 1 else ()
    rounds = 1 if ring > 1 else ceil_div(sequences, banks)
    return replace(_product_work(share, parts), passing=passing, layout_vectors=rounds)


def _function(config: TransPimConfig, banks: int, share: OpShare) -> BankWork:
    """Return whole vectors in their banks; with `layers` their operands are moved there first."""
    vectors, bits = max(1, share.vectors), config.function_bits
    known = FUNCTIONS.get(share.label) or FUNCTIONS.get(share.kind)
    if share.kind in ("evict", "accumulate"):
        known = Function(0, 1, 0)
    function = known or Function(_EXPONENTIAL.products + 1, _EXPONENTIAL.additions, 0)
    used = min(vectors, banks)
    parts = divide(vectors, used, ceil_div(share.size, vectors))
    work = BankWork(parts, bits=(bits, bits), function=function, length=max(2, share.elements))
    return replace(work, moved_bits=share.operands * share.input_bits) if config.mapping == "layers" else work
