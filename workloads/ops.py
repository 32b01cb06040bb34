"""The typed ops of a decoder, with shapes, precisions and data dependencies.

An op lists its inputs: the names of earlier ops of the same block, or `BLOCK_INPUT`, the output of the previous block.
A *vector* is the activations of one token; a decode step processes one vector per sequence. Counts are numbers of
elements, and precisions are bits per element.

Reference:
    Transformer layers: Vaswani et al., "Attention Is All You Need", arXiv:1706.03762. Names of the matrices: PIM-LLM,
    arXiv:2504.01994.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from workloads.checked_fields import Integer, Optional
from workloads.op_base import BLOCK_INPUT as BLOCK_INPUT
from workloads.op_base import Matmul as Matmul
from workloads.op_base import MatmulOp as MatmulOp
from workloads.op_base import Op as Op
from workloads.op_fields import COUNT, NUMBER, Bits, Count, FunctionKind, NormKind, Number, Role, StepBits


@dataclass(frozen=True, slots=True)
class Norm(Op):
    """LayerNorm or RMSNorm of `vectors` vectors of `elements` elements each.

    Reference:
        Ba et al., "Layer Normalization", arXiv:1607.06450; Zhang and Sennrich, "Root Mean Square Layer Normalization",
        arXiv:1910.07467.
    """

    kind: ClassVar[str] = "norm"
    norm: NormKind
    vectors: Count
    elements: Count


@dataclass(frozen=True, slots=True)
class Projection(MatmulOp):
    """A product with a stored weight matrix, [out_features, in_features], for `vectors` vectors.

    Attributes:
        role: Which matrix it is. PIM-LLM's names are: q, k, v = W_Q, W_K, W_V; o = W_X; ffn_up = W_I; ffn_down = W_O.
            The matrix ffn_gate of a gated FFN does not occur in the paper.
        in_features: Elements of an input vector.
        out_features: Elements of an output vector.
        vectors: Number of input vectors.
        weight_bits: Bits per weight; 1 means binary {-1, 1} or ternary {-1, 0, 1} weights, which are stored in one
            differential pair of cells each.
        activation_bits: Bits per element of the input vectors.
        input_elements: Number of different elements in all input vectors, fewer than the vectors have together if
            they are windows of a convolution; None means that no two vectors share an element.
    """

    kind: ClassVar[str] = "projection"
    optional_keys: ClassVar[tuple[str, ...]] = ("input_elements",)
    role: Role
    in_features: Count
    out_features: Count
    vectors: Count
    weight_bits: Bits
    activation_bits: Bits
    input_elements: Annotated[int | None, Optional(COUNT)] = None

    def cross_problems(self) -> Iterator[str]:
        """Check `input_elements`; see `Checked.cross_problems`.

        Yields:
            A message if it is more than all vectors have.
        """
        if self.input_elements is not None and self.input_elements > (most := self.vectors * self.in_features):
            yield f"input_elements must be at most vectors * in_features, {most}, not {self.input_elements}"

    @property
    def matmul(self) -> Matmul:
        """Shape of the product: M = out_features, N = vectors, K = in_features."""
        return Matmul(m=self.out_features, n=self.vectors, k=self.in_features)

    @property
    def weights(self) -> int:
        """Number of elements of the weight matrix."""
        return self.in_features * self.out_features


@dataclass(frozen=True, slots=True)
class Rotary(Op):
    """Rotary position embedding (RoPE) of `vectors` head vectors, of which `elements` elements each are rotated.

    Reference:
        Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", arXiv:2104.09864.
    """

    kind: ClassVar[str] = "rotary"
    vectors: Count
    elements: Count


@dataclass(frozen=True, slots=True)
class KVAppend(Op):
    """Append the keys and values of `tokens` new tokens to the KV cache of this layer.

    Attributes:
        tokens: New tokens of all sequences.
        kv_heads: KV heads.
        d_head: Elements of one head.
        bits: Bits per element of the cache.
        step_bits: Bits of the scales of each key and of each value of a head.
        write_bits: Bits that are written in all; None: those of `bits` and `step_bits` for keys and values.
        read_bits: Bits of earlier entries that are read before they are written again in another format.
    """

    kind: ClassVar[str] = "kv_append"
    optional_keys: ClassVar[tuple[str, ...]] = ("step_bits", "write_bits", "read_bits")
    tokens: Count
    kv_heads: Count
    d_head: Count
    bits: Bits
    step_bits: StepBits = 0
    write_bits: Annotated[int | None, Optional(NUMBER)] = None
    read_bits: Number = 0

    @property
    def bytes(self) -> int:
        """Bytes written, keys and values and their scales together (docs/model.md, eq. (53))."""
        if self.write_bits is not None:
            return _whole_bytes(self.write_bits)
        return _whole_bytes(2 * self.tokens * self.kv_heads * (self.d_head * self.bits + self.step_bits))

    @property
    def read_bytes(self) -> int:
        """Bytes read."""
        return _whole_bytes(self.read_bits)

    @property
    def output_elements(self) -> int:
        """No elements: the entries stay in the cache."""
        return 0


@dataclass(frozen=True, slots=True)
class AttentionMatmul(MatmulOp):
    """Base class of the two products with the KV cache.

    The heads / kv_heads query heads that share one KV head form one matmul. Sequences share neither queries nor cache,
    so there are `kv_heads * sequences` matmuls.

    Attributes:
        heads: Query heads; a multiple of `kv_heads`.
        kv_heads: KV heads: equal to `heads` in multi-head attention, fewer in grouped-query attention.
        d_head: Elements of one head.
        queries: Tokens per sequence whose queries are multiplied.
        context: Cached entries that a query is multiplied by.
        bits: Bits per element of the cached operand.
        sequences: Number of sequences.
        cached: Cached entries per sequence that the queries read together; None means `context`. More than `context`
            only if several queries have windows, each of which begins at another entry.
        step_bits: Bits of the scales of each cached entry that are read with it.
        read_bits: Bits of the entries of one KV head and sequence that are read, with scales; None: `entries` entries
            of `bits` and `step_bits`.
        kept_bits: Bits of the entries of one KV head and sequence that stay in memory; None: those that are read.
        convert_passes: Passes of the vector unit over each entry that is read, which make it an operand of the array.

    Reference:
        Ainslie et al., "GQA: Training Generalized Multi-Query Transformer Models from Multi-Head Checkpoints",
        arXiv:2305.13245.
    """

    optional_keys: ClassVar[tuple[str, ...]] = (*("cached", "step_bits", "read_bits", "kept_bits", "convert_passes"),)
    heads: Count
    kv_heads: Count
    d_head: Count
    queries: Count
    context: Count
    bits: Bits
    sequences: Count = 1
    cached: Annotated[int | None, Optional(COUNT)] = None
    step_bits: StepBits = 0
    read_bits: Annotated[int | None, Optional(NUMBER)] = None
    kept_bits: Annotated[int | None, Optional(NUMBER)] = None
    convert_passes: Annotated[int, Integer(0, 16)] = 0

    @property
    def entries(self) -> int:
        """Cached entries per sequence that the queries read together."""
        return self.context if self.cached is None else self.cached

    @property
    def queries_per_kv_head(self) -> int:
        """Query vectors per KV head of one sequence: the N of the matmul."""
        return self.queries * self.heads // self.kv_heads

    @property
    def matmuls(self) -> int:
        """Number of matmuls: one per KV head and sequence."""
        return self.kv_heads * self.sequences

    @property
    def kv_bytes(self) -> int:
        """Bytes read from the KV caches, each entry once: keys for the scores, values for the weighted sums."""
        if self.read_bits is not None:
            return _whole_bytes(self.matmuls * self.read_bits)
        return _whole_bytes(self.matmuls * self.entries * (self.d_head * self.bits + self.step_bits))

    @property
    def cache_bytes(self) -> int:
        """Keys or values in memory: those that the op reads, `kv_bytes`, or those of them that stay."""
        return self.kv_bytes if self.kept_bits is None else _whole_bytes(self.matmuls * self.kept_bits)

    def cross_problems(self) -> Iterator[str]:
        """Check numbers of heads and of cached entries; see `Checked.cross_problems`.

        Yields:
            A message if `heads` is not a multiple of `kv_heads`, and one if `cached` does not fit the queries.
        """
        if self.heads % self.kv_heads:
            yield f"heads must be a multiple of kv_heads, not {self.heads} with {self.kv_heads}"
        most = self.context + self.queries - 1
        if not self.context <= self.entries <= most:
            yield f"cached must be from context, {self.context}, to context + queries - 1, {most}, not {self.cached}"


@dataclass(frozen=True, slots=True)
class AttentionScores(AttentionMatmul):
    """The scores Q · Kᵀ: queries times cached keys."""

    kind: ClassVar[str] = "attention_scores"

    @property
    def matmul(self) -> Matmul:
        """Shape per KV head and sequence: M = context, N = query vectors, K = d_head."""
        return Matmul(m=self.context, n=self.queries_per_kv_head, k=self.d_head, count=self.matmuls)


@dataclass(frozen=True, slots=True)
class AttentionValues(AttentionMatmul):
    """The weighted sums softmax(·) · V: attention weights times cached values."""

    kind: ClassVar[str] = "attention_values"

    @property
    def matmul(self) -> Matmul:
        """Shape per KV head and sequence: M = d_head, N = query vectors, K = context."""
        return Matmul(m=self.d_head, n=self.queries_per_kv_head, k=self.context, count=self.matmuls)


@dataclass(frozen=True, slots=True)
class Softmax(Op):
    """Softmax of `rows` rows of `row_length` scores each; there is one row per head, query and sequence."""

    kind: ClassVar[str] = "softmax"
    rows: Count
    row_length: Count

    @property
    def output_elements(self) -> int:
        """Elements of all rows."""
        return self.rows * self.row_length

    @property
    def longest_vector(self) -> int:
        """Elements of a row."""
        return self.row_length


@dataclass(frozen=True, slots=True)
class Residual(Op):
    """Elementwise sum of the inputs: `vectors` vectors of `elements` elements each."""

    kind: ClassVar[str] = "residual"
    vectors: Count
    elements: Count


@dataclass(frozen=True, slots=True)
class Activation(Op):
    """Elementwise function on `vectors` vectors of `elements` elements each.

    Attributes:
        function: Activation function of the FFN, where relu2 is relu(x)^2, or "tanh" for a soft cap c tanh(x / c) of
            scores or logits.
        vectors: Number of vectors.
        elements: Elements of a vector.
    """

    kind: ClassVar[str] = "activation"
    function: FunctionKind
    vectors: Count
    elements: Count


@dataclass(frozen=True, slots=True)
class Multiply(Op):
    """Elementwise product of the inputs, as in a gated FFN: `vectors` vectors of `elements` elements each.

    Reference:
        Shazeer, "GLU Variants Improve Transformer", arXiv:2002.05202.
    """

    kind: ClassVar[str] = "multiply"
    vectors: Count
    elements: Count


@dataclass(frozen=True, slots=True)
class Quantise(Op):
    """Quantisation of `vectors` vectors of `elements` elements each to integers, with one step per vector.

    One pass finds the largest magnitude of a vector, one scales and rounds.

    Reference:
        docs/inference.md, eqs. (1) and (2); Ma et al., arXiv:2402.17764.
    """

    kind: ClassVar[str] = "quantise"
    vectors: Count
    elements: Count


@dataclass(frozen=True, slots=True)
class Dequantise(Op):
    """Multiplication of `vectors` vectors of `elements` integer sums each by their steps, in one pass.

    Reference:
        docs/inference.md, eqs. (3), (4) and (7).
    """

    kind: ClassVar[str] = "dequantise"
    vectors: Count
    elements: Count


@dataclass(frozen=True, slots=True)
class Embedding(Op):
    """Lookup of `vectors` rows of an embedding table; a row has `elements` elements of `bits` bits each.

    Attributes:
        vectors: Rows that are read.
        elements: Elements of a row.
        bits: Bits per element.
        table_rows: Rows of the table; None means unknown.
    """

    kind: ClassVar[str] = "embedding"
    optional_keys: ClassVar[tuple[str, ...]] = ("table_rows",)
    vectors: Count
    elements: Count
    bits: Bits
    table_rows: Annotated[int | None, Optional(COUNT)] = None

    @property
    def bytes(self) -> int:
        """Bytes read from the table."""
        return _whole_bytes(self.vectors * self.elements * self.bits)

    @property
    def table_bytes(self) -> int:
        """Size of the whole table; 0 if its number of rows is unknown."""
        return _whole_bytes((self.table_rows or 0) * self.elements * self.bits)

    @property
    def parameter_bytes(self) -> int:
        """The whole table: `table_bytes`."""
        return self.table_bytes


def _whole_bytes(bits: int) -> int:
    return -(-bits // 8)
