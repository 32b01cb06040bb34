"""Number of parameters of a model, from its `config.json`: weights, biases, norms and tables.

Buffers that some checkpoints contain are not parameters: angles of the rotary embedding, causal masks of GPT-2, and the
`weight_scale` of packed BitNets.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workloads.config_features import biased_projections, is_tied
from workloads.config_keys import Keys
from workloads.family import Family
from workloads.huggingface import ConfigFile, read_config_file
from workloads.model_families import FAMILIES
from workloads.models import ModelSpec


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """Parameters of a model by place.

    Attributes:
        embedding: Embedding table of the tokens, with the two projections of OPT-350M.
        positions: Learned position embedding.
        layers: All decoder layers.
        final_norm: Norm before the LM head.
        lm_head: LM head; 0 if it is the embedding table.
        unused: Those of `layers` that one token does not use: the experts that the router does not choose.
    """

    embedding: int
    positions: int
    layers: int
    final_norm: int
    lm_head: int
    unused: int = 0

    @property
    def total(self) -> int:
        """Number of all parameters; a table that embedding and LM head share counts once."""
        return self.embedding + self.positions + self.layers + self.final_norm + self.lm_head

    @property
    def active(self) -> int:
        """Number of parameters that one token uses, the whole embedding table included."""
        return self.total - self.unused


def count_parameters(path: str | os.PathLike[str]) -> ParameterCount:
    """Count the parameters of the model that a `config.json` describes.

    Args:
        path: The file, or the folder that contains it.

    Returns:
        The parameters by place.

    Raises:
        UnknownFamilyError: If the model belongs to none of the `FAMILIES`.
        ConfigFileError: If the file cannot be read or used.

    Example:
        >>> from workloads.shipped import network_folder
        >>> count_parameters(network_folder("kjv-bitnet")).total
        1198848
    """
    file = read_config_file(path)
    spec, family = file.spec, FAMILIES[file.model_type]
    keys = Keys(file.values, file.problems())
    biases, tied = biased_projections(keys, family), is_tied(keys, family)
    if keys.problems.found:
        raise keys.problems.error()
    narrow = file.values.get("word_embed_proj_dim") if file.model_type == "opt" else None
    embedding = spec.vocab * spec.d_model
    if narrow not in (None, spec.d_model):  # project_in and project_out of OPT-350M
        embedding = spec.vocab * narrow + 2 * narrow * spec.d_model
    head = 0 if tied else spec.vocab * spec.d_model
    return ParameterCount(
        embedding=embedding,
        positions=0 if spec.positions is None else (spec.positions + family.position_offset) * spec.d_model,
        layers=_layers(spec, family, biases),
        final_norm=family.norm_vectors * spec.d_model if _has_final_norm(file) else 0,
        lm_head=head + (spec.vocab if family.lm_head_bias else 0),
        unused=spec.projection_weights - spec.projection_macs_per_token,
    )


def _layers(spec: ModelSpec, family: Family, biases: frozenset[str]) -> int:
    """Return the number of parameters of all layers."""
    count = spec.layers * (_attention(spec, biases) + _norms(spec, family))
    mixture, mixed = spec.experts, 0
    if mixture is not None:
        mixed = mixture.expert_layers(spec.layers)
        shared = 0 if mixture.d_shared is None else _ffn(spec, mixture.d_shared, biases)
        router = spec.d_model * (mixture.experts + mixture.shared_gate)
        # The experts have no biases: transformers keeps their matrices in one tensor.
        count += mixed * (mixture.experts * _ffn(spec, mixture.d_expert, frozenset()) + shared + router)
    inside = spec.d_ff if spec.sub_norms else 0
    return count + (spec.layers - mixed) * (_ffn(spec, spec.d_ff, biases) + inside)


def _attention(spec: ModelSpec, biases: frozenset[str]) -> int:
    d_model, latent = spec.d_model, spec.latent
    shapes = {"q": (d_model, spec.d_query), "k": (d_model, spec.d_kv), "v": (d_model, spec.d_kv)}
    shapes["o"] = (spec.d_query, d_model)
    inner = 0
    if latent is not None:
        up = spec.heads * (latent.d_nope + latent.d_value)
        shapes = {"kv_a": (d_model, latent.cached), "kv_b": (latent.kv_rank, up)}
        shapes["o"] = (spec.heads * latent.d_value, d_model)
        inner = latent.kv_rank + (latent.q_rank or 0)  # norms of the latents
        if latent.q_rank is None:
            shapes["q"] = (d_model, spec.d_query)
        else:
            shapes |= {"q_a": (d_model, latent.q_rank), "q_b": (latent.q_rank, spec.d_query)}
    return inner + _matrices(spec, shapes, biases)


def _ffn(spec: ModelSpec, width: int, biases: frozenset[str]) -> int:
    shapes = {"up": (spec.d_model, width), "down": (width, spec.d_model)}
    return _matrices(spec, shapes | ({"gate": (spec.d_model, width)} if spec.gated else {}), biases)


def _matrices(spec: ModelSpec, shapes: Mapping[str, tuple[int, int]], biases: frozenset[str]) -> int:
    """Return the parameters of matrices, [inputs, outputs], with their biases and the norms inside projections."""
    return sum(
        inputs * outputs + (outputs if name in biases else 0) + (inputs if spec.projection_norms else 0)
        for name, (inputs, outputs) in shapes.items()
    )


def _norms(spec: ModelSpec, family: Family) -> int:
    norms = 4 if spec.norm_order == "both" else 1 if spec.shared_norm else 2
    count = norms * family.norm_vectors * spec.d_model
    if spec.qk_norms == "whole" or (spec.qk_norms == "heads" and not family.one_norm_for_all_heads):
        count += spec.d_query + spec.d_kv
    elif spec.qk_norms == "heads":
        count += 2 * spec.d_head * family.qk_norm_vectors
    return count + (spec.d_query if spec.sub_norms else 0)


def _has_final_norm(file: ConfigFile) -> bool:
    values: Mapping[str, Any] = file.values
    last = values.get("do_layer_norm_before", True) is not False and not values.get("_remove_final_layer_norm")
    return last or file.model_type != "opt"
