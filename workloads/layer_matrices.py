"""Matrices of one layer in a checkpoint: names, shapes and places in the weights of a network.

Layers with experts and with latent attention have other matrices than usual ones, and experts may be in some layers
only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.latent import LatentShape
from workloads.models import ModelSpec
from workloads.tensor_names import TensorNames

Shape = tuple[int, ...]
FFN = ("gate", "up", "down")
BIAS_NAMES = {"k": "kv_a"}
"""Field of the biases of a family (`Family.biased_by`) by the role of a matrix, in latent attention."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix in a checkpoint.

    Attributes:
        module: Name of its tensor in the layer, without `.weight`.
        roles: Places of its rows in the weights of a layer: fields of `LayerWeights`, "expert3.up", or "kv_b".
        inputs: Elements of an input vector.
        outputs: Rows of each role.
    """

    module: str
    roles: tuple[str, ...]
    inputs: int
    outputs: tuple[int, ...]

    def rows(self) -> Iterator[tuple[str, slice]]:
        """List the rows of each role.

        Yields:
            Role and rows.
        """
        first = 0
        for role, outputs in zip(self.roles, self.outputs, strict=True):
            yield role, slice(first, first + outputs)
            first += outputs


def layer_matrices(spec: ModelSpec, names: TensorNames, number: int) -> Iterator[Matrix]:
    """List the matrices of a layer.

    Args:
        spec: The model.
        names: Names of its tensors.
        number: Number of the layer.

    Yields:
        Each matrix; several projections may be rows of one.
    """
    shapes = {"q": (spec.d_model, spec.d_query), "k": (spec.d_model, spec.d_kv), "v": (spec.d_model, spec.d_kv)}
    shapes |= {"o": (spec.d_query, spec.d_model)} | _ffn(spec, spec.d_ff)
    named = dict(names.projections)
    if spec.latent is not None and names.latent is not None:
        latent, own = spec.latent, names.latent
        del named["v"]
        named |= {"k": own["kv_a"], "kv_b": own["kv_b"], "q": own["q"]}
        shapes["k"] = (spec.d_model, latent.cached)
        shapes["kv_b"] = (latent.kv_rank, spec.heads * (latent.d_nope + latent.d_value))
        shapes["o"] = (spec.heads * latent.d_value, spec.d_model)
        if latent.q_rank is not None:
            named |= {"q_a": own["q_a"], "q": own["q_b"]}
            shapes |= {"q_a": (spec.d_model, latent.q_rank), "q": (latent.q_rank, spec.d_query)}
    mixture = spec.experts
    if mixture is not None and names.mixture is not None and not mixture.is_dense(number):
        named = {role: module for role, module in named.items() if role not in FFN}
        if mixture.d_shared is not None and names.mixture.shared is not None:
            named |= names.mixture.shared
            shapes |= _ffn(spec, mixture.d_shared)
        for expert in range(mixture.experts):
            named |= {f"expert{expert}.{part}": name.format(expert) for part, name in names.mixture.expert.items()}
            shapes |= {f"expert{expert}.{part}": each for part, each in _ffn(spec, mixture.d_expert).items()}
    modules: dict[str, list[str]] = {}
    for role, module in named.items():
        modules.setdefault(module, []).append(role)
    for module, roles in modules.items():
        yield Matrix(module, tuple(roles), shapes[roles[0]][0], tuple(shapes[role][1] for role in roles))


def expected_besides(spec: ModelSpec, names: TensorNames, number: int, prefix: str) -> Iterator[tuple[str, Shape]]:
    """List what a layer has beside its matrices and usual norms: norms of latents, and routers.

    Args:
        spec: The model.
        names: Names of its tensors.
        number: Number of the layer.
        prefix: Prefix of the names in the layer.

    Yields:
        (name, shape) of each tensor.
    """
    if spec.latent is not None and names.latent is not None:
        yield f"{prefix}{names.latent['kv_norm']}.weight", (spec.latent.kv_rank,)
        if spec.latent.q_rank is not None:
            yield f"{prefix}{names.latent['q_norm']}.weight", (spec.latent.q_rank,)
    mixture, named = spec.experts, names.mixture
    if mixture is None or named is None or mixture.is_dense(number):
        return
    yield f"{prefix}{named.router}.weight", (mixture.experts, spec.d_model)
    if named.bias is not None:
        yield f"{prefix}{named.bias}", (mixture.experts,)
    if named.shared_gate is not None:
        yield f"{prefix}{named.shared_gate}.weight", (1, spec.d_model)


def of_heads(values: NDArray[Any], spec: ModelSpec, latent: LatentShape) -> Iterator[tuple[str, NDArray[Any]]]:
    """Cut the matrix that makes keys and values from latents into those of the heads, as absorbed attention needs them.

    Args:
        values: [heads * (d_nope + d_value), kv_rank].
        spec: The model.
        latent: Its latent attention.

    Yields:
        "key0", [kv_rank, d_nope], and so on for all heads; then "value0", [d_value, kv_rank], and so on.
    """
    heads = values.reshape(spec.heads, latent.d_nope + latent.d_value, latent.kv_rank)
    for number, head in enumerate(heads):
        yield f"key{number}", np.ascontiguousarray(head[: latent.d_nope].T)
    for number, head in enumerate(heads):
        yield f"value{number}", np.ascontiguousarray(head[latent.d_nope :])


def _ffn(spec: ModelSpec, width: int) -> dict[str, tuple[int, int]]:
    return {"gate": (spec.d_model, width), "up": (spec.d_model, width), "down": (width, spec.d_model)}
