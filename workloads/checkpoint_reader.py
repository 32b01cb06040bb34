"""Reading of the tensors of a checkpoint: names and shapes checked, then the network, or one layer of it at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.gguf_files import is_gguf
from workloads.gguf_tensors import GgufTensor
from workloads.gguf_types import GROUPED
from workloads.integer_weights import weights_of_blocks
from workloads.layer_matrices import BIAS_NAMES, Matrix, expected_besides, layer_matrices, of_heads
from workloads.models import ModelSpec
from workloads.network_config import NetworkConfig
from workloads.neural_network import (
    ConSmaxConstants,
    ExpertWeights,
    Float,
    LatentWeights,
    LayerWeights,
    Network,
    NormWeights,
    Weights,
)
from workloads.one_bit import WeightKind
from workloads.packed_codes import CODES_PER_BYTE, read_codes, read_scale
from workloads.safetensors_files import Tensor, nearest
from workloads.strict_json import Problems, join
from workloads.tensor_names import TensorNames, unused_tensors
from workloads.tensor_rows import row_parts
from workloads.weight_rounding import Rounding
from workloads.workload_errors import CheckpointError

INPUT_NORM = "rms_norm.weight"
"""End of the name of the norm inside a projection (`BitLinear` in integrations/bitnet.py of transformers)."""

CONSMAX = ("beta", "gamma")
"""Constants of ConSmax in each layer, by field of `ConSmaxConstants`; a checkpoint has both in all layers, or none."""

SUB_NORMS = ("attn_sub_norm", "ffn_sub_norm")
"""Norms before `o` and `down` of some BitNets, by field of `LayerWeights`."""

_NOT_TERNARISED = "BitNet weights were left as floats: the model was trained with ternary weights"
_BINARISED = "binary weights were made from a BitNet checkpoint, which was trained with ternary weights"


class NetworkReader:
    """Reader of the tensors of one network.

    Args:
        config: Shape and constants of the network.
        tensors: Its tensors by name.
        source: Folder or file, as errors name it.
        rounding: Kind of weights to which matrices are converted.
        names: Names of the tensors of its family.
    """

    def __init__(
        self,
        config: NetworkConfig,
        tensors: Mapping[str, Tensor] | Mapping[str, GgufTensor],
        source: str,
        rounding: Rounding,
        names: TensorNames,
    ) -> None:
        self.config = config
        self.spec: ModelSpec = config.file.spec
        self.tensors = tensors
        self.source = source
        self.kind: WeightKind = rounding.kind
        self.names = names
        self.norms = {
            field: m for field, m in self.names.norms.items() if self.spec.sub_norms or field not in SUB_NORMS
        }
        first = (p for p in self.names.prefixes if f"{p}{self.names.embedding}.weight" in tensors)
        self.prefix = next(first, self.names.prefixes[0])
        self.packed = config.quantisation.startswith("packed")
        consmax = tuple(f"{self.names.consmax}.{constant}" for constant in CONSMAX)
        self.has_consmax = any(name.endswith(consmax) for name in tensors)
        self.rounding = rounding
        self.biased_norms = self.spec.norm == "layernorm"

    def check(self) -> None:
        """Compare names, shapes and types of all tensors with the config.

        Raises:
            CheckpointError: If a tensor is missing or does not match; the message lists the problems.
        """
        config = "metadata" if is_gguf(self.config.file.file) else "config.json"
        problems = Problems(self.source, f"contains weights that do not match its {config}", CheckpointError)
        inner = tuple(f".{module}.weight" for field, module in self.norms.items() if field in SUB_NORMS)
        if inner and not any(name.endswith(inner) for name in self.tensors):
            missing = " and ".join(module for field, module in self.norms.items() if field in SUB_NORMS)
            text = f"it has no sub-norms ({missing}): if the model was trained without them, set use_sub_norms to false"
            problems.add("", f"{text} in config.json")
            raise problems.error()
        for name, shape in self._expected():
            tensor = self.tensors.get(name)
            if tensor is None:
                problems.add(join("", name), f"is missing{nearest(name, self.tensors)}")
            elif tensor.shape != shape and not (shape == (1,) and tensor.shape == ()):
                problems.add(join("", name), f"must have the shape {list(shape)}, not {list(tensor.shape)}")
            elif tensor.dtype not in tensor.float_types and not (
                tensor.dtype in ("U8", "I8") and self._may_be_codes(name)
            ):
                problems.add(join("", name), f"must be of dtype {', '.join(tensor.float_types)}, not {tensor.dtype}")
            if problems.full:
                break
        if self.kind == "binary" and self.packed:
            problems.add("", "it contains ternary codes, whose zeros have no sign: load it as ternary or float")
        if problems.found:
            raise problems.error()

    @property
    def is_trained(self) -> bool:
        """Whether the codes are those that the model was trained with; known once the network has been read."""
        return self.config.quantisation != "none" or self.rounding.is_ternary

    def warnings(self) -> Iterator[str]:
        """Collect the warnings about the loaded weights.

        Yields:
            One sentence per warning.
        """
        trained = self.config.quantisation == "online"
        if self.config.quantisation == "none":
            yield from self.rounding.warnings()
        elif trained and self.kind != "ternary":
            yield _NOT_TERNARISED if self.kind == "float" else _BINARISED
        used = {name for name, _ in self._expected()} | {self.names.lm_head}
        unused = [name for name in self.tensors if name not in used and not name.endswith(self.names.ignored)]
        if unused:
            yield unused_tensors(unused, self.config.file.model_type)

    def network(self) -> Network:
        """Read all tensors.

        Returns:
            The network.
        """
        names, spec = self.names, self.spec
        embedding = self._float(self._name(names.embedding))
        return Network(
            spec=spec,
            details=self.config.details,
            embedding=embedding,
            positions=self.positions(),
            layers=tuple(self.layer(number) for number in range(spec.layers)),
            final_norm=self.final_norm(),
            lm_head=embedding if self.config.tied else self._float(self.names.lm_head),
        )

    def files(self) -> tuple[Path, ...]:
        """List the files that are read.

        Returns:
            The config, then the weights.
        """
        found = {self.config.file.file: None} | {tensor.file: None for tensor in self.tensors.values()}
        return tuple(found)

    def positions(self) -> Float | None:
        """Read the learned position embedding.

        Returns:
            [positions, d_model] float32, or None.
        """
        return self._float(self._name(self.names.positions)) if self.names.positions else None

    def final_norm(self) -> NormWeights:
        """Read the norm before the LM head.

        Returns:
            Its weights.
        """
        return self._norm(self.names.final_norm)

    def embedding_rows(self, rows: int) -> Iterator[Float]:
        """Read the embedding table in parts.

        Args:
            rows: Rows of a part.

        Yields:
            [rows or fewer, d_model] float32.
        """
        yield from row_parts(self.tensors[self._name(self.names.embedding)], rows)

    def head_rows(self, rows: int) -> Iterator[Float]:
        """Read the LM head in parts.

        Args:
            rows: Rows of a part.

        Yields:
            [rows or fewer, d_model] float32.
        """
        if self.config.tied:
            yield from self.embedding_rows(rows)
        else:
            yield from row_parts(self.tensors[self.names.lm_head], rows)

    def _name(self, module: str, what: str = "weight") -> str:
        return f"{self.prefix}{module}.{what}"

    def _expected(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """List the tensors that the config requires.

        Yields:
            (name, shape) of each tensor.
        """
        names, spec, details = self.names, self.spec, self.config.details
        yield self._name(names.embedding), (spec.vocab, spec.d_model)
        if names.positions:
            yield self._name(names.positions), (details.max_positions + details.position_offset, spec.d_model)
        for number in range(spec.layers):
            yield from self._expected_in_layer(number)
        yield from self._expected_norm(names.final_norm, spec.d_model)
        if not self.config.tied:
            yield self.names.lm_head, (spec.vocab, spec.d_model)

    def _expected_in_layer(self, number: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        layer = self.names.layer.format(number)
        inner = {"attn_sub_norm": self.spec.d_query, "ffn_sub_norm": self.spec.d_ff}
        for field, module in self.norms.items():
            yield from self._expected_norm(layer + module, inner.get(field, self.spec.d_model))
        for matrix in layer_matrices(self.spec, self.names, number):
            outputs, inputs, module = sum(matrix.outputs), matrix.inputs, matrix.module
            weight = self._name(layer + module)
            if self._is_packed(weight):
                # If rows are not a multiple of 4, transformers pads them but cannot read them back.
                rows = outputs // CODES_PER_BYTE if outputs % CODES_PER_BYTE == 0 else outputs
                yield weight, (rows, inputs)
            else:
                yield weight, (inputs, outputs) if self.names.transposed else (outputs, inputs)
            if self.packed:
                yield self._name(layer + module, "weight_scale"), (1,)
            if self.spec.projection_norms:
                yield self._name(layer + module, INPUT_NORM), (inputs,)
            if self._has_bias(matrix):
                yield self._name(layer + module, "bias"), (outputs,)
        yield from expected_besides(self.spec, self.names, number, self.prefix + layer)
        if self.has_consmax:
            yield from ((self._name(layer + self.names.consmax, constant), (self.spec.heads,)) for constant in CONSMAX)

    def _expected_norm(self, module: str, elements: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield self._name(module), (elements,)
        if self.biased_norms:
            yield self._name(module, "bias"), (elements,)

    def _has_bias(self, matrix: Matrix) -> bool:
        role = matrix.roles[0]
        return (BIAS_NAMES.get(role, role) if self.spec.latent is not None else role) in self.config.biases

    def _may_be_codes(self, name: str) -> bool:
        return self.packed and name.endswith(".weight") and any(m in name for m in self.names.projections.values())

    def _is_packed(self, name: str) -> bool:
        return self.packed and name in self.tensors and self.tensors[name].dtype == "U8"

    def layer(self, number: int) -> LayerWeights:
        """Read one layer.

        Args:
            number: Number of the layer, from 0.

        Returns:
            Its weights.

        Raises:
            CheckpointError: If a tensor cannot be read, or its values are not valid.
        """
        layer = self.names.layer.format(number)
        norms = {field: self._norm(layer + module) for field, module in self.norms.items()}
        projections: dict[str, Weights] = {}
        for matrix in layer_matrices(self.spec, self.names, number):
            projections |= self._projections(layer, matrix)
        consmax = self._consmax(layer + self.names.consmax) if self.has_consmax else None
        latent, experts = self._latent(layer, projections), self._experts(layer, number, projections)
        usual = {field: projections.get(field) for field in ("q", "k", "v", "o", "gate", "up", "down")}
        return LayerWeights(**norms, **usual, consmax=consmax, latent=latent, experts=experts)  # type: ignore[arg-type]

    def _latent(self, layer: str, projections: Mapping[str, Weights]) -> LatentWeights | None:
        names, heads = self.names.latent, range(self.spec.heads)
        if self.spec.latent is None or names is None:
            return None
        q_a = projections.get("q_a")
        return LatentWeights(
            kv_norm=self._norm(layer + names["kv_norm"]),
            keys=tuple(projections[f"key{head}"] for head in heads),
            values=tuple(projections[f"value{head}"] for head in heads),
            q_a=q_a,
            q_norm=None if q_a is None else self._norm(layer + names["q_norm"]),
        )

    def _experts(self, layer: str, number: int, projections: Mapping[str, Weights]) -> ExpertWeights | None:
        names, shape = self.names.mixture, self.spec.experts
        if names is None or shape is None or shape.is_dense(number):
            return None
        parts = {
            part: tuple(projections[f"expert{expert}.{part}"] for expert in range(shape.experts))
            for part in names.expert
        }
        return ExpertWeights(
            router=self._float(self._name(layer + names.router)),
            **parts,
            bias=None if names.bias is None else self._float(self.prefix + layer + names.bias),
            shared_gate=None if names.shared_gate is None else self._float(self._name(layer + names.shared_gate)),
        )

    def _consmax(self, module: str) -> ConSmaxConstants:
        beta, gamma = (self._float(self._name(module, constant)).reshape(self.spec.heads) for constant in CONSMAX)
        if not (gamma > 0).all():
            raise self.tensors[self._name(module, "gamma")].error(
                "must be above 0: it stands for a sum of exponentials"
            )
        return ConSmaxConstants(beta, gamma)

    def _norm(self, module: str) -> NormWeights:
        bias = self._float(self._name(module, "bias")) if self.biased_norms else None
        return NormWeights(self._float(self._name(module)), bias)

    def _projections(self, layer: str, matrix: Matrix) -> dict[str, Weights]:
        module = layer + matrix.module
        name = self._name(module)
        bias = self._float(self._name(module, "bias")) if self._has_bias(matrix) else None
        tensor = self.tensors[name]
        if isinstance(tensor, GgufTensor):
            if tensor.is_ternary if self.kind in ("ternary", "columns") else self.kind == "groups":
                return self._stored_codes(tensor, matrix, bias)
        elif self.kind == "groups":
            raise tensor.error("has no groups of integers, which only GGUF files have; use one scale per column")
        if self.packed and not isinstance(tensor, GgufTensor):
            values: NDArray[Any] = read_codes(tensor)
            scale_tensor = self.tensors[self._name(module, "weight_scale")]
            assert isinstance(scale_tensor, Tensor)
            scale = read_scale(scale_tensor, divides=self.config.quantisation == "packed_divide")
        else:
            values = self._float(name).T if self.names.transposed else self._float(name)
            scale = None
        norm = NormWeights(self._float(self._name(module, INPUT_NORM))) if self.spec.projection_norms else None
        found: dict[str, Weights] = {}
        if matrix.roles == ("kv_b",) and self.spec.latent is not None:
            return {
                role: self._weights(role, each, scale, None)
                for role, each in of_heads(values, self.spec, self.spec.latent)
            }
        for field, rows in matrix.rows():
            weights = self._weights(field, values[rows], scale, None if bias is None else bias[rows])
            found[field] = replace(weights, input_norm=norm)
        return found

    def _stored_codes(self, tensor: GgufTensor, matrix: Matrix, bias: Float | None) -> dict[str, Weights]:
        """Return the projections of a matrix with the codes and scales of the file."""
        if not (tensor.is_ternary or tensor.is_grouped):
            formats = ", ".join(GROUPED)
            raise tensor.error(f"is {tensor.dtype}; groups of integers have {formats}: use one scale per column")
        blocks = tensor.blocks()
        found: dict[str, Weights] = {}
        for field, rows in matrix.rows():
            found[field] = weights_of_blocks(blocks.rows(rows), None if bias is None else bias[rows])
            self.rounding.as_stored(found[field], ternary=tensor.is_ternary)
        return found

    def _weights(self, role: str, values: NDArray[Any], scale: float | None, bias: Float | None) -> Weights:
        """Convert one projection to the requested kind of weights.

        Args:
            role: Its role, for example "gate" or "expert3.gate".
            values: Codes if there is a scale, otherwise floats; [out, in].
            scale: Scale of the codes, or None.
            bias: [out], or None.

        Returns:
            The weights.
        """
        if scale is not None:
            if self.kind == "float":
                return Weights(values.astype(np.float32) * np.float32(scale), 1.0, bias)
            return Weights(values, scale, bias)  # also for "columns": ternary codes lose nothing
        if self.kind == "float":
            return Weights(np.ascontiguousarray(values), 1.0, bias)
        # BitNet ternarises floats during inference, whatever they are: the rule of its training holds.
        if self.kind == "columns" and self.config.quantisation == "none":
            codes, scale_of = self.rounding.integers(values, role)
            return Weights(codes, scale_of, bias)
        codes, scales = self.rounding.one_bit(values, recognised=self.config.quantisation == "none")
        return Weights(np.ascontiguousarray(codes), scales, bias)

    def _float(self, name: str) -> Float:
        return self.tensors[name].read()
