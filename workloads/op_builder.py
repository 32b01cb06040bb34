"""Norms, projections and quantisation passes of a decoder pass, and their places in a layer.

Reference:
    Norms of queries and keys: Qwen Team, arXiv:2505.09388; OLMo Team, arXiv:2501.00656. Norms after attention and FFN:
    Gemma Team, arXiv:2408.00118. Norms inside projections: `BitLinear` in integrations/bitnet.py of transformers.
"""

from collections.abc import Generator
from dataclasses import dataclass

from workloads.models import ModelSpec
from workloads.ops import Dequantise, Norm, Op, Projection, Quantise

LAYER_WEIGHT_BITS = 1
"""Bits per projection weight of a layer: binary or ternary weights, as in a 1-bit LLM."""


@dataclass(frozen=True, slots=True)
class OpBuilder:
    """Builder of ops for the new tokens of one pass.

    Attributes:
        spec: The model.
        vectors: Number of new tokens of all sequences.
        activation_bits: Bits per element of the inputs of projections.
        quantisation: Whether the passes that quantise and dequantise activations are ops of their own.
    """

    spec: ModelSpec
    vectors: int
    activation_bits: int
    quantisation: bool

    def normed(self, label: str, source: str) -> Generator[Op, None, tuple[str, ...]]:
        """Build the norm before attention or FFN, if the model has one there, and the quantisation of its output.

        Args:
            label: "attn" or "ffn".
            source: Name of the op that produces the residual stream.

        Yields:
            The ops.

        Returns:
            Names of the ops that have the inputs of the projections.
        """
        spec = self.spec
        if label == "ffn" and spec.shared_norm:
            return ("attn_quantise",) if self.quantisation and not spec.projection_norms else ("attn_norm",)
        if spec.norm_order != "after":
            yield self.norm(f"{label}_norm", (source,), spec.d_model)
            source = f"{label}_norm"
        return (yield from self.inputs(label, (source,), spec.d_model))

    def post_norm(self, label: str, source: str) -> Generator[Op, None, str]:
        """Build the norm between attention or FFN and the residual addition, if the model has one there.

        Args:
            label: "attn" or "ffn".
            source: Name of the op that produces the output of attention or FFN.

        Yields:
            The norm.

        Returns:
            Name of the op that has the result.
        """
        if self.spec.norm_order == "before":
            return source
        yield self.norm(f"{label}_post_norm", (source,), self.spec.d_model)
        return f"{label}_post_norm"

    def qk_norm(self, label: str, source: str, heads: int) -> Generator[Op, None, str]:
        """Build the norm of queries or keys.

        Args:
            label: "q" or "k".
            source: Name of the projection.
            heads: Number of heads.

        Yields:
            The norm.

        Returns:
            Its name.
        """
        each = heads if self.spec.qk_norms == "heads" else 1
        vectors, elements = each * self.vectors, heads * self.spec.d_head // each
        yield Norm(f"{label}_norm", (source,), norm=self.spec.norm, vectors=vectors, elements=elements)
        return f"{label}_norm"

    def inputs(self, label: str, sources: tuple[str, ...], elements: int) -> Generator[Op, None, tuple[str, ...]]:
        """Build the quantisation of inputs that projections share; `projected` quantises inputs with norms of its own.

        Args:
            label: First part of the op's name.
            sources: Names of the ops that produce the inputs.
            elements: Elements per vector.

        Yields:
            The quantisation, if the pass counts it.

        Returns:
            Names of the ops that have the inputs.
        """
        if self.spec.projection_norms:
            return sources
        return (yield from self.quantised(label, sources, self.vectors, elements))

    def norm(self, name: str, sources: tuple[str, ...], elements: int) -> Norm:
        """Build a norm of the kind of the model.

        Args:
            name: Name of the op.
            sources: Names of the ops that produce its input.
            elements: Elements per vector.

        Returns:
            The norm.
        """
        return Norm(name, sources, norm=self.spec.norm, vectors=self.vectors, elements=elements)

    def quantised(
        self, label: str, sources: tuple[str, ...], vectors: int, elements: int
    ) -> Generator[Op, None, tuple[str, ...]]:
        """Build the quantisation of vectors, if the pass counts quantisation; else yield nothing.

        Args:
            label: What is quantised, the first part of the op's name.
            sources: Names of the ops that produce the vectors.
            vectors: Number of vectors.
            elements: Elements per vector.

        Yields:
            The quantisation.

        Returns:
            Names of the ops that have the quantised vectors.
        """
        if not self.quantisation:
            return sources
        yield Quantise(f"{label}_quantise", sources, vectors=vectors, elements=elements)
        return (f"{label}_quantise",)

    def projected(
        self, role: str, sources: tuple[str, ...], in_features: int, out_features: int
    ) -> Generator[Op, None, str]:
        """Build a projection with its own norm, if any, and, if counted, the dequantisation of its sums.

        Args:
            role: Role of the matrix.
            sources: Names of the ops that have the input vectors.
            in_features: Elements of an input vector.
            out_features: Elements of an output vector.

        Yields:
            The ops.

        Returns:
            Name of the op that has the outputs.
        """
        if self.spec.projection_norms:
            norm = f"{role}_input_norm"
            yield Norm(norm, sources, norm="rmsnorm", vectors=self.vectors, elements=in_features)
            sources = yield from self.quantised(f"{role}_input", (norm,), self.vectors, in_features)
        projection = self._projection(role, sources, in_features, out_features)
        yield projection
        if not self.quantisation:
            return projection.name
        name = f"{role}_dequantise"
        yield Dequantise(name, (projection.name,), vectors=self.vectors, elements=out_features)
        return name

    def _projection(self, role: str, sources: tuple[str, ...], in_features: int, out_features: int) -> Projection:
        return Projection(
            role if role.startswith("ffn") else f"{role}_proj",
            sources,
            role=role,
            in_features=in_features,
            out_features=out_features,
            vectors=self.vectors,
            weight_bits=LAYER_WEIGHT_BITS,
            activation_bits=self.activation_bits,
        )
