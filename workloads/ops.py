"""The typed ops of a decoder: shapes, precisions and what each op waits for.

An op names its inputs: earlier ops of the same block, or `BLOCK_INPUT`, what the block before put out. A *vector* is
one token's activations: a decode step works on one per sequence. Counts are in elements, precisions in bits each.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar

from workloads.checked_fields import Checked, Integer, Name, Names, OneOf

BLOCK_INPUT = "input"
"""The input that is not an op: what the previous block put out."""

COUNT = Integer(1, 2**40)
BITS = Integer(1, 64)

Count = Annotated[int, COUNT]
Bits = Annotated[int, BITS]
NormKind = Annotated[str, OneOf(("layernorm", "rmsnorm"))]
ActivationKind = Annotated[str, OneOf(("gelu", "relu", "silu", "relu2"))]
Role = Annotated[str, OneOf(("q", "k", "v", "o", "ffn_up", "ffn_gate", "ffn_down", "lm_head"))]


@dataclass(frozen=True, slots=True)
class Matmul:
    """``count`` independent matrix products (M x K) . (K x N), N being the vectors: PIM-LLM's M x N x K."""

    m: int
    n: int
    k: int
    count: int = 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all ``count`` products."""
        return self.m * self.n * self.k * self.count


@dataclass(frozen=True, slots=True)
class Op(Checked):
    """One op of a block. Subclasses are the kinds; a wrong value raises `workloads.workload_errors.SpecError`."""

    kind: ClassVar[str]
    """What the op is called in a trace file."""

    name: Annotated[str, Name()]
    inputs: Annotated[tuple[str, ...], Names(low=1)]

    @property
    def macs(self) -> int:
        """Multiply-accumulates; zero for all but the matmuls."""
        return 0


@dataclass(frozen=True, slots=True)
class MatmulOp(Op):
    """An op that is a matrix product."""

    @property
    def matmul(self) -> Matmul:
        """The shape of the product."""
        raise NotImplementedError

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole product."""
        return self.matmul.macs


@dataclass(frozen=True, slots=True)
class Norm(Op):
    """LayerNorm or RMSNorm of ``vectors`` vectors of ``elements`` each."""

    kind: ClassVar[str] = "norm"
    norm: NormKind
    vectors: Count
    elements: Count


@dataclass(frozen=True, slots=True)
class Projection(MatmulOp):
    """A product with weights that stay put: ``out_features x in_features`` times ``vectors`` vectors.

    Roles and PIM-LLM's names: q, k, v = W_Q, W_K, W_V; o = W_X; ffn_up = W_I; ffn_down = W_O; ffn_gate is the third
    matrix of a gated FFN, which the paper leaves out. ``weight_bits=1`` means a binary or ternary {-1, 0, 1} weight,
    held in one differential pair of cells.
    """

    kind: ClassVar[str] = "projection"
    role: Role
    in_features: Count
    out_features: Count
    vectors: Count
    weight_bits: Bits
    activation_bits: Bits

    @property
    def matmul(self) -> Matmul:
        """M = out_features, N = vectors, K = in_features."""
        return Matmul(m=self.out_features, n=self.vectors, k=self.in_features)

    @property
    def weights(self) -> int:
        """Elements of the weight matrix."""
        return self.in_features * self.out_features


@dataclass(frozen=True, slots=True)
class Rotary(Op):
    """Rotary position embedding of ``vectors`` head vectors of ``elements`` (= d_head) each."""

    kind: ClassVar[str] = "rotary"
    vectors: Count
    elements: Count


@dataclass(frozen=True, slots=True)
class KVAppend(Op):
    """Write K and V of ``tokens`` new tokens into the cache of this layer."""

    kind: ClassVar[str] = "kv_append"
    tokens: Count
    kv_heads: Count
    d_head: Count
    bits: Bits

    @property
    def bytes(self) -> int:
        """Bytes written, K and V together."""
        return _whole_bytes(2 * self.tokens * self.kv_heads * self.d_head * self.bits)


@dataclass(frozen=True, slots=True)
class AttentionMatmul(MatmulOp):
    """A product with the KV cache: ``queries`` tokens in ``heads`` heads against ``context`` cached entries.

    The heads/kv_heads query heads that share one KV head are one matmul. Each of ``sequences`` has its own ``queries``
    and its own cache, and shares neither: there are ``kv_heads * sequences`` matmuls. ``bits`` is the precision of both
    operands.
    """

    heads: Count
    kv_heads: Count
    d_head: Count
    queries: Count
    context: Count
    bits: Bits
    sequences: Count = 1

    @property
    def queries_per_kv_head(self) -> int:
        """Query vectors that meet each KV head of one sequence: the N of the matmul."""
        return self.queries * self.heads // self.kv_heads

    @property
    def matmuls(self) -> int:
        """KV heads of all sequences: the count of the matmul."""
        return self.kv_heads * self.sequences

    @property
    def kv_bytes(self) -> int:
        """Bytes read from the caches, each entry once: K for the scores, V for the values."""
        return _whole_bytes(self.matmuls * self.context * self.d_head * self.bits)

    def cross_problems(self) -> Iterator[str]:
        """Heads share KV heads evenly."""
        if self.heads % self.kv_heads:
            yield f"heads must be a multiple of kv_heads, not {self.heads} with {self.kv_heads}"


@dataclass(frozen=True, slots=True)
class AttentionScores(AttentionMatmul):
    """Q . K^T."""

    kind: ClassVar[str] = "attention_scores"

    @property
    def matmul(self) -> Matmul:
        """Per KV head and sequence: M = context, N = query vectors, K = d_head."""
        return Matmul(m=self.context, n=self.queries_per_kv_head, k=self.d_head, count=self.matmuls)


@dataclass(frozen=True, slots=True)
class AttentionValues(AttentionMatmul):
    """softmax(.) . V."""

    kind: ClassVar[str] = "attention_values"

    @property
    def matmul(self) -> Matmul:
        """Per KV head and sequence: M = d_head, N = query vectors, K = context."""
        return Matmul(m=self.d_head, n=self.queries_per_kv_head, k=self.context, count=self.matmuls)


@dataclass(frozen=True, slots=True)
class Softmax(Op):
    """Softmax of ``rows`` rows (one per head, query and sequence) of ``row_length`` scores each."""

    kind: ClassVar[str] = "softmax"
    rows: Count
    row_length: Count


@dataclass(frozen=True, slots=True)
class Residual(Op):
    """Elementwise sum of the inputs, ``vectors`` vectors of ``elements`` each."""

    kind: ClassVar[str] = "residual"
    vectors: Count
    elements: Count


@dataclass(frozen=True, slots=True)
class Activation(Op):
    """The FFN's nonlinearity on ``vectors`` vectors of ``elements`` each; relu2 is relu(x)^2."""

    kind: ClassVar[str] = "activation"
    function: ActivationKind
    vectors: Count
    elements: Count


@dataclass(frozen=True, slots=True)
class Multiply(Op):
    """Elementwise product of the inputs, the gate of a gated FFN: ``vectors`` vectors of ``elements`` each."""

    kind: ClassVar[str] = "multiply"
    vectors: Count
    elements: Count


@dataclass(frozen=True, slots=True)
class Embedding(Op):
    """Look up ``vectors`` rows of ``elements`` elements of ``bits`` bits in a table."""

    kind: ClassVar[str] = "embedding"
    vectors: Count
    elements: Count
    bits: Bits

    @property
    def bytes(self) -> int:
        """Bytes read from the table."""
        return _whole_bytes(self.vectors * self.elements * self.bits)


def _whole_bytes(bits: int) -> int:
    return -(-bits // 8)


KINDS: Mapping[str, type[Op]] = MappingProxyType(
    {
        op.kind: op
        for op in (
            *(Norm, Projection, Rotary, KVAppend, AttentionScores, Softmax, AttentionValues),
            *(Residual, Activation, Multiply, Embedding),
        )
    }
)
"""Every kind of op by its name in a trace file."""
