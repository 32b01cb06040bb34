"""What all ops have: name and inputs, the size of the output, and the shape of a matrix product.

A kind of op of one's own derives from `Op`, or from `MatmulOp` if it is a matrix product. `op_kinds` registers kinds.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from workloads.checked_fields import Checked, Name, Names

BLOCK_INPUT = "input"
"""The input that is not an op: the output of the previous block."""


@dataclass(frozen=True, slots=True)
class Matmul:
    """Shape of `count` independent matrix products (M x K) · (K x N).

    Attributes:
        m: Rows of the left operand.
        n: Columns of the right operand; the number of vectors in all ops of a decoder.
        k: Elements of each sum.
        count: Number of products of this shape.

    Reference:
        PIM-LLM, arXiv:2504.01994, writes the shape as M x N x K.
    """

    m: int
    n: int
    k: int
    count: int = 1

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of all `count` products."""
        return self.m * self.n * self.k * self.count


@dataclass(frozen=True, slots=True)
class Op(Checked):
    """Base class of ops; each subclass is one kind of op.

    Attributes:
        kind: Name of the kind in trace files.
        name: Name of the op, unique within its block.
        inputs: Names of the ops whose outputs this op reads, or `BLOCK_INPUT`.

    Raises:
        SpecError: If a value is out of range.
    """

    kind: ClassVar[str]
    """Name of the kind in a trace file."""

    optional_keys: ClassVar[tuple[str, ...]] = ()
    """Fields that may be absent from a file, which then has their defaults. All others are required."""

    name: Annotated[str, Name()]
    inputs: Annotated[tuple[str, ...], Names(low=1)]

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations; zero unless the op is a `MatmulOp`."""
        return 0

    @property
    def output_elements(self) -> int:
        """Elements that the op outputs to other ops: those of its vectors, if it has fields of these names."""
        return int(getattr(self, "vectors", 0) * getattr(self, "elements", 0))

    @property
    def longest_vector(self) -> int:
        """Elements of the longest vector that the op reads or writes as a whole."""
        return int(getattr(self, "elements", self.output_elements))

    @property
    def parameter_bytes(self) -> int:
        """Parameters that memory holds for the op, such as a table, in bytes; weights of a `Projection` excluded."""
        return 0

    @property
    def cache_bytes(self) -> int:
        """State of the sequences that memory holds for the op between steps, such as a KV cache, in bytes."""
        return 0


@dataclass(frozen=True, slots=True)
class MatmulOp(Op):
    """Base class of ops that are matrix products."""

    @property
    def matmul(self) -> Matmul:
        """Shape of the product."""
        raise NotImplementedError

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of the product."""
        return self.matmul.macs

    @property
    def output_elements(self) -> int:
        """Elements of all products."""
        return self.matmul.m * self.matmul.n * self.matmul.count
